alter table rule_test.clients owner to rule_test_owner;
