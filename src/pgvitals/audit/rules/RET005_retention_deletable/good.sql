revoke delete on rule_test.records from rule_test_app;
