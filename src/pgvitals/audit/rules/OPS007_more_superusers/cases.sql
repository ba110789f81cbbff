-- defect: after the fact
create role rule_test_reports login;
alter role rule_test_reports superuser;
-- lookalike: it cannot log in
create role rule_test_break_glass nologin superuser;
-- lookalike: it may create roles
create role rule_test_admin login createrole createdb;
