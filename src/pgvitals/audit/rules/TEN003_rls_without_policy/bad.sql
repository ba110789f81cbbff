create table rule_test.clients (
  id uuid primary key,
  tenant_id uuid not null
);
create index ix_clients_tenant_id on rule_test.clients (tenant_id);
alter table rule_test.clients enable row level security, force row level security;
grant select, insert, update, delete on rule_test.clients to rule_test_app;
