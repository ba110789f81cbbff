create policy tenant_isolation on rule_test.tenants
  using (id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
alter table rule_test.tenants enable row level security, force row level security;
