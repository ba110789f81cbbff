create table rule_test.visits (
  id uuid primary key,
  starts_at timestamp not null
);
