alter role rule_test_app set session_replication_role = replica;
