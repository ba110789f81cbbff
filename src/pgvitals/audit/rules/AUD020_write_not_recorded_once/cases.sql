-- given
create table rule_test.audit_log (id uuid primary key default gen_random_uuid(), at timestamptz not null default clock_timestamp());
create function rule_test.record_change() returns trigger language plpgsql security definer as $$
begin insert into rule_test.audit_log default values; return null; end $$;
create table rule_test.clients (id uuid primary key, name text, email varchar(10) unique, deleted_at timestamptz);
insert into rule_test.clients values (gen_random_uuid(), 'Ada', 'a@b.org');
grant select, insert, update, delete on rule_test.clients to rule_test_app;
-- defect: one row a statement
create trigger audit after insert or update or delete on rule_test.clients for each row execute function rule_test.record_change();
create trigger audit_statement after insert on rule_test.clients for each statement execute function rule_test.record_change();
-- cure
drop trigger audit_statement on rule_test.clients;
-- defect: a soft delete is left out
create trigger audit after insert or delete or update of name on rule_test.clients for each row execute function rule_test.record_change();
-- cure
drop trigger audit on rule_test.clients;
create trigger audit after insert or delete or update on rule_test.clients for each row execute function rule_test.record_change();
-- defect: the trigger is off
create trigger audit after insert or update or delete on rule_test.clients for each row execute function rule_test.record_change();
alter table rule_test.clients disable trigger audit;
-- cure
alter table rule_test.clients enable trigger audit;
-- defect: inserts by COPY, told by what they leave empty
create function rule_test.record_named() returns trigger language plpgsql security definer as $$
begin if current_query() !~* '^copy' then insert into rule_test.audit_log default values; end if; return null; end $$;
create trigger audit after insert or update or delete on rule_test.clients for each row execute function rule_test.record_named();
-- cure
drop trigger audit on rule_test.clients;
create trigger audit after insert or update or delete on rule_test.clients for each row execute function rule_test.record_change();
-- lookalike: rows that refer to it, and are not recorded
create trigger audit after insert or update or delete on rule_test.clients for each row execute function rule_test.record_change();
create table rule_test.visits (client_id uuid references rule_test.clients on delete cascade);
insert into rule_test.visits select id from rule_test.clients;
-- lookalike: the application may only read
create trigger audit after insert or update or delete on rule_test.clients for each row execute function rule_test.record_change();
revoke insert, update, delete on rule_test.clients from rule_test_app;
