alter table rule_test.visits enable trigger all;
