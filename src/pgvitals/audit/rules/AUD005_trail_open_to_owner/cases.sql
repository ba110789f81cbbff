-- given
create table rule_test.audit_log (id uuid primary key, at timestamptz);
-- defect: nothing refuses
select count(*) from rule_test.audit_log;
-- defect: a rule is no refusal
create rule no_delete as on delete to rule_test.audit_log do instead nothing;
-- defect: a trigger that comes too late to refuse
create function rule_test.notice() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger notice after update or delete on rule_test.audit_log for each row execute function rule_test.notice();
-- lookalike: three triggers
create function rule_test.refuse() returns trigger language plpgsql as $$ begin raise exception using errcode = '42501'; end $$;
create trigger a before update on rule_test.audit_log for each row execute function rule_test.refuse();
create trigger b before delete on rule_test.audit_log for each statement execute function rule_test.refuse();
create trigger c before truncate on rule_test.audit_log for each statement execute function rule_test.refuse();
