alter table rule_test.clients
  alter column created_at set default now(),
  alter column created_at set not null;
