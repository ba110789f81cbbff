create table rule_test.clients (
  id uuid primary key,
  tenant_id uuid not null,
  is_active boolean not null
);
create index ix_clients_tenant_id on rule_test.clients (tenant_id);
alter table rule_test.clients enable row level security, force row level security;
create policy active on rule_test.clients using (is_active);
