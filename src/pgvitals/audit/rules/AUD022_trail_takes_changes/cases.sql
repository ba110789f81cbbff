-- given
create table rule_test.audit_log (id uuid primary key default gen_random_uuid(), at timestamptz not null default now());
insert into rule_test.audit_log default values;
create function rule_test.refuse() returns trigger language plpgsql as $$ begin raise exception 'append-only'; end $$;
-- defect: rules that do nothing
create rule no_update as on update to rule_test.audit_log do instead nothing;
create rule no_delete as on delete to rule_test.audit_log do instead nothing;
-- cure
drop rule no_update on rule_test.audit_log;
drop rule no_delete on rule_test.audit_log;
create trigger refuse before update or delete or truncate on rule_test.audit_log for each statement execute function rule_test.refuse();
-- defect: TRUNCATE as the owner
alter table rule_test.audit_log owner to rule_test_owner;
create trigger refuse before update or delete on rule_test.audit_log for each row execute function rule_test.refuse();
-- cure
create trigger refuse_all before truncate on rule_test.audit_log for each statement execute function rule_test.refuse();
-- defect: a trigger that skips the row
create function rule_test.skip() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger skip before update or delete on rule_test.audit_log for each row execute function rule_test.skip();
create trigger refuse before truncate on rule_test.audit_log for each statement execute function rule_test.refuse();
-- cure
drop trigger skip on rule_test.audit_log;
create trigger refuse_rows before update or delete on rule_test.audit_log for each row execute function rule_test.refuse();
-- lookalike: refused for everybody
create trigger refuse before update or delete or truncate on rule_test.audit_log for each statement execute function rule_test.refuse();
-- lookalike: nothing to try on
delete from rule_test.audit_log;
