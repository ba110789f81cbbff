grant create on schema rule_test to rule_test_app;
