alter table rule_test.visits add column deleted_at timestamptz;
revoke delete on rule_test.visits from rule_test_app;
