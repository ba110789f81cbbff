revoke rule_test_owner from rule_test_app;
