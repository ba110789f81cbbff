create table rule_test.clients (
  id uuid primary key,
  tenant_id uuid not null,
  email text not null unique
);
create index ix_clients_tenant_id on rule_test.clients (tenant_id);
create policy tenant_isolation on rule_test.clients
  using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
alter table rule_test.clients enable row level security, force row level security;
