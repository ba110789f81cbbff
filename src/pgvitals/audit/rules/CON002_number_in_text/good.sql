alter table rule_test.mappings
  alter column error_count drop default,
  alter column error_count type int using error_count::int,
  add check (error_count >= 0);
