create table rule_test.services (
  id uuid primary key,
  default_duration_minutes int not null
);
