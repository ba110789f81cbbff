create table rule_test.clients (id uuid primary key);
alter table rule_test.clients owner to rule_test_owner;
grant rule_test_owner to rule_test_app;
