drop index rule_test.ix_clients_last_name;
