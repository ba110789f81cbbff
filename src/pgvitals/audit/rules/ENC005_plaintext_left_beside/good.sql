alter table rule_test.clients drop column email_old;
