create index ix_appointments_client_id on rule_test.appointments (client_id);
