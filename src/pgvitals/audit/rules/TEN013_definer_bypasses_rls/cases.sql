-- given
create table rule_test.clients (id uuid primary key, tenant_id uuid not null);
alter table rule_test.clients owner to rule_test_owner;
alter table rule_test.clients enable row level security, force row level security;
create function rule_test.clients_of(uuid, n int default 1) returns bigint language sql security definer
  set search_path = pg_catalog, pg_temp as $$ select count(*) from rule_test.clients $$;
grant execute on function rule_test.clients_of to rule_test_app;
-- defect: its owner owns what is not forced
alter function rule_test.clients_of owner to rule_test_owner;
alter table rule_test.clients no force row level security;
-- defect: a procedure of a role with BYPASSRLS
drop function rule_test.clients_of;
create role rule_test_batch bypassrls;
grant create, usage on schema rule_test to rule_test_batch;
create procedure rule_test.purge() language sql security definer set search_path = pg_catalog, pg_temp
  as $$ delete from rule_test.clients $$;
alter procedure rule_test.purge owner to rule_test_batch;
grant execute on procedure rule_test.purge to rule_test_app;
-- lookalike: row-level security holds for its owner
alter function rule_test.clients_of owner to rule_test_owner;
-- lookalike: the application may not call it
revoke execute on function rule_test.clients_of from public, rule_test_app;
-- lookalike: a trigger function
drop function rule_test.clients_of;
create function rule_test.write() returns trigger language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$ begin return new; end $$;
