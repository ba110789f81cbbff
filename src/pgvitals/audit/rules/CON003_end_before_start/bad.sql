create table rule_test.visits (
  id uuid primary key,
  scheduled_start timestamptz not null,
  scheduled_end timestamptz not null
);
