-- given
create table rule_test.audit_log (id uuid primary key default gen_random_uuid(), at timestamptz default now());
create function rule_test.record_change() returns trigger language plpgsql as $$
begin insert into rule_test.audit_log default values; return null; end $$;
-- defect: deletes are not recorded
create table rule_test.clients (id uuid primary key);
create trigger audit after insert or update on rule_test.clients for each row execute function rule_test.record_change();
-- defect: a trigger that does something else
create table rule_test.clients (id uuid primary key);
create function rule_test.touch() returns trigger language plpgsql as 'begin return new; end';
create trigger touch before insert or update on rule_test.clients for each row execute function rule_test.touch();
-- defect: a table with health data that the policy forgot to name
create table rule_test.notes (id uuid primary key, body text);
-- defect: there is no function to give it
drop function rule_test.record_change;
create table rule_test.clients (id uuid primary key);
-- cure
create function rule_test.record_change() returns trigger language plpgsql as $$
begin insert into rule_test.audit_log default values; return null; end $$;
create trigger audit after insert or update or delete on rule_test.clients for each row execute function rule_test.record_change();
-- lookalike: three triggers, one an event
create table rule_test.clients (id uuid primary key);
create trigger a after insert on rule_test.clients for each row execute function rule_test.record_change();
create trigger b after update on rule_test.clients for each row execute function rule_test.record_change();
create trigger c after delete on rule_test.clients for each row execute function rule_test.record_change();
-- lookalike: a table that nobody asked to record
create table rule_test.countries (code char(2) primary key);
