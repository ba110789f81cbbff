create table rule_test.clients (
  id uuid primary key,
  email bytea
);
