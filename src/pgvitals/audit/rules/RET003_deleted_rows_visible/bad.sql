create table rule_test.notes (
  id uuid primary key,
  deleted_at timestamptz
);
grant select on rule_test.notes to rule_test_app;
