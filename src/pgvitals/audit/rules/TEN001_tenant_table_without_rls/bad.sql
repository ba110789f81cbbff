create table rule_test.clients (
  id uuid primary key,
  tenant_id uuid not null
);
create index ix_clients_tenant_id on rule_test.clients (tenant_id);
