alter table rule_test.clients alter column tenant_id set not null;
