alter role rule_test_app nobypassrls;
