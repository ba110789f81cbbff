reindex index rule_test.ix_clients_email;
