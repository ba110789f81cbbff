create table rule_test.clients (id uuid primary key);
create table rule_test.records (
  id uuid primary key,
  client_id uuid not null references rule_test.clients (id) on delete cascade,
  deleted_at timestamptz
);
create index ix_records_client_id on rule_test.records (client_id);
grant select, insert, update, delete on rule_test.clients to rule_test_app;
