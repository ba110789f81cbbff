create role rule_test_admin login superuser;
