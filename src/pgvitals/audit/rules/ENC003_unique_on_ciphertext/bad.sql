create table rule_test.clients (
  id uuid primary key,
  tenant_id uuid not null,
  email bytea,
  constraint uq_clients_email unique (tenant_id, email)
);
