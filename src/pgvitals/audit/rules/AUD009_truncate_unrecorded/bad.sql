create table rule_test.clients (id uuid primary key);
grant select, insert, update, delete, truncate on rule_test.clients to rule_test_app;
