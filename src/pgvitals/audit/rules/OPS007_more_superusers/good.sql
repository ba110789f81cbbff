alter role rule_test_admin nosuperuser;
