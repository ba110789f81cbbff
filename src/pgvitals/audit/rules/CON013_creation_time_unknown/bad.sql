create table rule_test.clients (
  id uuid primary key,
  created_at timestamptz
);
