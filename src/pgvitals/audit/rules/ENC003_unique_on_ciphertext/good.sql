alter table rule_test.clients drop constraint uq_clients_email;
alter table rule_test.clients add column email_index bytea;
alter table rule_test.clients add constraint uq_clients_email unique (tenant_id, email_index);
