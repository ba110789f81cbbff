drop index rule_test.ix_appointments_status;
