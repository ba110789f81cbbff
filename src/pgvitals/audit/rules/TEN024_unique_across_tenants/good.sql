drop index rule_test.ix_clients_tenant_id;
alter table rule_test.clients drop constraint clients_email_key, add unique (tenant_id, email);
