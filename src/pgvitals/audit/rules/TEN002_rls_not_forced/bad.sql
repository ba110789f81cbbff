create table rule_test.clients (
  id uuid primary key,
  tenant_id uuid not null
);
alter table rule_test.clients enable row level security;
create policy tenant_isolation on rule_test.clients
  using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
