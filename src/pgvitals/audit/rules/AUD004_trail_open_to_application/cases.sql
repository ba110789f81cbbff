-- given
create table rule_test.audit_log (id uuid primary key, note text, at timestamptz);
create function rule_test.refuse_change() returns trigger language plpgsql as $$
begin raise exception 'append-only'; end $$;
-- defect: TRUNCATE is not refused
grant all on rule_test.audit_log to rule_test_app;
create trigger append_only before update or delete on rule_test.audit_log for each row execute function rule_test.refuse_change();
-- defect: one column
grant update (note) on rule_test.audit_log to rule_test_app;
-- defect: the trigger is off
grant delete on rule_test.audit_log to rule_test_app;
create trigger append_only before delete on rule_test.audit_log for each row execute function rule_test.refuse_change();
alter table rule_test.audit_log disable trigger append_only;
-- defect: the trigger only warns
grant delete on rule_test.audit_log to rule_test_app;
create function rule_test.warn() returns trigger language plpgsql as $$ begin raise warning 'append-only'; return old; end $$;
create trigger append_only before delete on rule_test.audit_log for each row execute function rule_test.warn();
-- cure
revoke delete on rule_test.audit_log from rule_test_app;
-- lookalike: it adds and reads
grant select, insert on rule_test.audit_log to rule_test_app;
-- lookalike: a trigger refuses what it may
grant all on rule_test.audit_log to rule_test_app;
create trigger append_only before update or delete or truncate on rule_test.audit_log for each statement execute function rule_test.refuse_change();
