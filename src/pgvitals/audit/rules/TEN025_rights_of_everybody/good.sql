revoke select on rule_test.clients from public;
