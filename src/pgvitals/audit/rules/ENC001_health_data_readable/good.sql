alter table rule_test.clients drop column medical_history;
alter table rule_test.clients add column medical_history bytea;
