drop index rule_test.ix_visits_starts_at_tenant;
drop index rule_test.ix_visits_tenant_id;
create index ix_visits_tenant_starts_at on rule_test.visits (tenant_id, starts_at);
