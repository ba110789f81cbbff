create table rule_test.clients (id uuid primary key);
create table rule_test.appointments (
  id uuid primary key,
  client_id uuid not null references rule_test.clients (id)
);
