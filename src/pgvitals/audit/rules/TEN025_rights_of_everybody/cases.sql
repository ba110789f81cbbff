-- defect: one column
create table rule_test.clients (id uuid primary key, name text);
grant update (name) on rule_test.clients to public;
-- defect: a sequence
create sequence rule_test.numbers;
grant usage on sequence rule_test.numbers to public;
-- defect: a view
create view rule_test.one as select 1 as n;
grant select on rule_test.one to public;
-- lookalike: rights of the application
create table rule_test.clients (id uuid primary key);
grant all on rule_test.clients to rule_test_app;
