create table rule_test.visits (
  id uuid primary key,
  tenant_id uuid not null,
  starts_at timestamptz not null
);
create index ix_visits_tenant_id on rule_test.visits (tenant_id);
create index ix_visits_starts_at_tenant on rule_test.visits (starts_at, tenant_id);
create policy tenant_isolation on rule_test.visits
  using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
alter table rule_test.visits enable row level security, force row level security;
