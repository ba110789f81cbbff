-- defect: it may only change it
create table rule_test.tenants (id text primary key, name text);
grant update (name) on rule_test.tenants to rule_test_app;
-- lookalike: the application has no rights on it
create table rule_test.tenants (id text primary key, name text);
grant select on rule_test.tenants to rule_test_owner;
