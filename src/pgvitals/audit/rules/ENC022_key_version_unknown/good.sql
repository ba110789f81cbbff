insert into rule_test.tenant_keys values (2, 2, '\x00');
