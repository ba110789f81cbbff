create table rule_test.records (
  id uuid primary key,
  deleted_at timestamptz
);
grant select, insert, update, delete on rule_test.records to rule_test_app;
