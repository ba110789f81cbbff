create table rule_test.clients (
  id uuid primary key,
  tenant_id uuid not null
);
create index ix_clients_tenant_id on rule_test.clients (tenant_id);
insert into rule_test.clients values (gen_random_uuid(), gen_random_uuid());
create function rule_test.sees(tenant uuid) returns boolean language sql stable as $$
  select coalesce(nullif(current_setting('app.current_tenant_id', true), ''), tenant::text) = tenant::text
$$;
create policy tenant_isolation on rule_test.clients
  using ((select rule_test.sees(tenant_id)));
alter table rule_test.clients enable row level security, force row level security;
grant select, insert, update, delete on rule_test.clients to rule_test_app;
