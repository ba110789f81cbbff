-- defect: for a role in this database
do $$ begin execute format('alter role rule_test_app in database %I set session_replication_role = replica', current_database()); end $$;
-- lookalike: the usual one
alter role rule_test_app set session_replication_role = origin;
-- lookalike: another database
alter role rule_test_app in database postgres set session_replication_role = replica;
