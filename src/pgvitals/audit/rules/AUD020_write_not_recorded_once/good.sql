drop trigger audit_once_more on rule_test.clients;
