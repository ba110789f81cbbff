alter table rule_test.clients
  alter column is_active drop default,
  alter column is_active type boolean using is_active = 'Y';
