alter table rule_test.clients add foreign key (tenant_id) references rule_test.tenants (id);
