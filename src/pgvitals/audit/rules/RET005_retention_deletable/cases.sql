-- given
create table rule_test.records (id uuid primary key, deleted_at timestamptz);
-- defect: everybody may
grant delete on rule_test.records to public;
revoke all on rule_test.records from rule_test_app;
-- lookalike: a trigger refuses it
grant delete on rule_test.records to rule_test_app;
create function rule_test.refuse() returns trigger language plpgsql as $$ begin raise exception 'kept'; end $$;
create trigger refuse before delete on rule_test.records for each row execute function rule_test.refuse();
-- lookalike: it may only mark
grant select, update on rule_test.records to rule_test_app;
