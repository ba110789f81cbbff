-- defect: a superuser
alter role rule_test_app superuser;
-- defect: a member of a role that is exempt
create role rule_test_reports bypassrls;
grant rule_test_reports to rule_test_app;
-- lookalike: a role that can log in
alter role rule_test_app login;
-- lookalike: a member of an ordinary role
create role rule_test_readers;
grant rule_test_readers to rule_test_app;
