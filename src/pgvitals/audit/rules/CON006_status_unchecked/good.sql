alter table rule_test.visits add check (status in ('scheduled', 'completed', 'cancelled', 'no_show'));
