create table rule_test.tenants (id uuid primary key);
create table rule_test.session_versions (
  id uuid primary key,
  version_number int not null
);
