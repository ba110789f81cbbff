create table rule_test.clients (
  id uuid primary key,
  last_name bytea not null
);
create index ix_clients_last_name on rule_test.clients (last_name);
