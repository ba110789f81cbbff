create table rule_test.clients (id uuid primary key);
create index ix_clients_id on rule_test.clients (id);
