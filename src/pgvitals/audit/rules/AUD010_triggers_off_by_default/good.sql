alter role rule_test_app reset session_replication_role;
