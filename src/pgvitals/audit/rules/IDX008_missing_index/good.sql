create index ix_visits_tenant_day on rule_test.visits (tenant_id, day);
