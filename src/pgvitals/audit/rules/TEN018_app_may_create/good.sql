revoke create on schema rule_test from rule_test_app;
