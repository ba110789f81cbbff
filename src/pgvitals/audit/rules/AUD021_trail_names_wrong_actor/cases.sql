-- given
create table rule_test.users (id uuid primary key);
insert into rule_test.users values (gen_random_uuid());
create table rule_test.audit_log (id uuid primary key default gen_random_uuid(), user_id uuid references rule_test.users, tenant_id uuid,
  at timestamptz not null default clock_timestamp());
create table rule_test.clients (id uuid primary key, tenant_id uuid not null, name text);
insert into rule_test.clients values (gen_random_uuid(), gen_random_uuid(), 'Ada');
grant select, insert, update, delete on rule_test.clients to rule_test_app;
create function rule_test.record() returns trigger language plpgsql security definer as $$
begin insert into rule_test.audit_log (user_id, tenant_id) values (current_setting('app.current_user_id')::uuid, new.tenant_id); return null; end $$;
-- defect: the tenant is left out
create function rule_test.record_actor() returns trigger language plpgsql security definer as $$
begin insert into rule_test.audit_log (user_id) values (current_setting('app.current_user_id')::uuid); return null; end $$;
create trigger audit after update on rule_test.clients for each row execute function rule_test.record_actor();
-- cure
drop trigger audit on rule_test.clients;
create trigger audit after update on rule_test.clients for each row execute function rule_test.record();
-- defect: a time from long ago
create function rule_test.record_then() returns trigger language plpgsql security definer as $$
begin insert into rule_test.audit_log (user_id, tenant_id, at) values (current_setting('app.current_user_id')::uuid, new.tenant_id, '2020-01-01'); return null; end $$;
create trigger audit after update on rule_test.clients for each row execute function rule_test.record_then();
-- cure
drop trigger audit on rule_test.clients;
create trigger audit after update on rule_test.clients for each row execute function rule_test.record();
-- lookalike: nothing is recorded at all, which another rule tells
select;
