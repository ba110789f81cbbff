create table rule_test.tenants (
  id uuid primary key,
  name text not null
);
grant select on rule_test.tenants to rule_test_app;
