create table rule_test.clients (id uuid primary key);
create table rule_test.visits (
  id uuid primary key,
  client_id uuid not null references rule_test.clients (id)
);
create index ix_visits_client_id on rule_test.visits (client_id);
alter table rule_test.visits disable trigger all;
