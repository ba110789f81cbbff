create index ix_clients_tenant_last_name on rule_test.clients (tenant_id, last_name);
