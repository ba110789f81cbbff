-- defect: a view
create view rule_test.one as select 1 as n;
alter view rule_test.one owner to rule_test_app;
-- defect: a function
create function rule_test.one(int) returns int language sql as 'select 1';
alter function rule_test.one owner to rule_test_app;
-- lookalike: every right but ownership
create table rule_test.clients (id uuid primary key);
grant all on rule_test.clients to rule_test_app;
