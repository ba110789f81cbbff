-- given
create table rule_test.audit_log (id uuid primary key default gen_random_uuid(), at timestamptz default now());
create function rule_test.record_change() returns trigger language plpgsql as $$
begin insert into rule_test.audit_log default values; return null; end $$;
create table rule_test.clients (id uuid primary key);
create trigger audit after insert or update or delete on rule_test.clients for each row execute function rule_test.record_change();
-- defect: all triggers of the table
alter table rule_test.clients disable trigger user;
-- defect: enabled for replicas only
alter table rule_test.clients enable replica trigger audit;
-- lookalike: enabled always
alter table rule_test.clients enable always trigger audit;
-- lookalike: another trigger is off
create function rule_test.touch() returns trigger language plpgsql as 'begin return new; end';
create trigger touch before update on rule_test.clients for each row execute function rule_test.touch();
alter table rule_test.clients disable trigger touch;
