alter table rule_test.visits add check (scheduled_end > scheduled_start);
