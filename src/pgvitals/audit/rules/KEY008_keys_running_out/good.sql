alter table rule_test.visits alter column id type bigint;
