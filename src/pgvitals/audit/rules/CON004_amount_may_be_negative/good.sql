alter table rule_test.services add check (default_duration_minutes > 0);
