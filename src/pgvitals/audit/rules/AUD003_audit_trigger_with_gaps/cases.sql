-- given
create table rule_test.audit_log (id uuid primary key default gen_random_uuid(), at timestamptz default now());
create function rule_test.record_change() returns trigger language plpgsql as $$
begin insert into rule_test.audit_log default values; return null; end $$;
create table rule_test.clients (id uuid primary key, name text, deleted_at timestamptz);
create trigger added after insert or delete on rule_test.clients for each row execute function rule_test.record_change();
-- defect: a condition on the new row
create trigger changed after update on rule_test.clients for each row when (new.deleted_at is null) execute function rule_test.record_change('x', 'y');
-- defect: a condition and columns
create trigger changed after update of name, id on rule_test.clients for each row when (new.name <> old.name) execute function rule_test.record_change();
-- lookalike: a change of nothing is no change
create trigger changed after update on rule_test.clients for each row when (old.* is distinct from new.*) execute function rule_test.record_change();
-- lookalike: another one fires for all
create trigger changed after update on rule_test.clients for each row execute function rule_test.record_change();
create trigger renamed after update of name on rule_test.clients for each row execute function rule_test.record_change();
