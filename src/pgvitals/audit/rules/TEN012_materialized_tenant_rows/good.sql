revoke select on rule_test.client_counts from rule_test_app;
