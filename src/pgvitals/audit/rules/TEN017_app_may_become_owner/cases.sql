-- defect: a member that does not inherit, and may SET ROLE
create table rule_test.clients (id uuid primary key);
alter table rule_test.clients owner to rule_test_owner;
alter role rule_test_app noinherit;
grant rule_test_owner to rule_test_app;
-- lookalike: the owner is a member of the application's role
create table rule_test.clients (id uuid primary key);
alter table rule_test.clients owner to rule_test_owner;
grant rule_test_app to rule_test_owner;
