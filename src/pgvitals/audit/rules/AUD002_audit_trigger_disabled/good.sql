alter table rule_test.clients enable trigger audit;
