create table rule_test.visits (id uuid primary key);
grant select, insert, update, delete on rule_test.visits to rule_test_app;
