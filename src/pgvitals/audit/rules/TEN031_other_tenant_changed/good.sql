drop policy cleaning on rule_test.clients;
drop policy cleaned on rule_test.clients;
