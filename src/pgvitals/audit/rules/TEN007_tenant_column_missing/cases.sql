-- defect: there is no table of tenants to refer to
create table rule_test.session_versions (id uuid primary key);
-- defect: the column goes by another name
create table rule_test.tenants (id uuid primary key);
create table rule_test.sessions (id uuid primary key, practice_id uuid not null references rule_test.tenants);
-- defect: what a row refers to says whose it is
create table rule_test.tenants (id uuid primary key);
create table rule_test.sessions (id uuid primary key, tenant_id uuid not null references rule_test.tenants);
create table rule_test.session_versions (
  id uuid primary key, amends_id uuid references rule_test.sessions, session_id uuid not null references rule_test.sessions
);
insert into rule_test.tenants values ('00000000-0000-0000-0000-000000000001');
insert into rule_test.sessions values ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000001');
insert into rule_test.session_versions
  values ('00000000-0000-0000-0000-000000000003', null, '00000000-0000-0000-0000-000000000002');
-- lookalike: a table that is no tenant table
create table rule_test.countries (code char(2) primary key);
