revoke delete on rule_test.clients from rule_test_app;
