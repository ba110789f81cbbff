alter table rule_test.clients owner to rule_test_owner;
alter view rule_test.client_list owner to rule_test_owner;
