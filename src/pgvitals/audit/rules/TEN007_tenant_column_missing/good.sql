alter table rule_test.session_versions add column tenant_id uuid not null references rule_test.tenants (id);
create index ix_session_versions_tenant_id on rule_test.session_versions (tenant_id);
alter table rule_test.session_versions enable row level security, force row level security;
create policy tenant_isolation on rule_test.session_versions
  using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
alter table rule_test.tenants enable row level security, force row level security;
create policy tenant_isolation on rule_test.tenants
  using (id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
