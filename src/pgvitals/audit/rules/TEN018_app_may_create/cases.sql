-- given
grant usage on schema rule_test to rule_test_app;
-- defect: everybody may create in the schema
grant create on schema rule_test to public;
-- defect: it may create roles
alter role rule_test_app createrole;
-- defect: it may create databases
alter role rule_test_app createdb;
-- lookalike: it may use the schema
grant usage on schema rule_test to rule_test_app;
