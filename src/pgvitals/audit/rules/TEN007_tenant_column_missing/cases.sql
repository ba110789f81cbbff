-- defect: there is no table of tenants to refer to
create table rule_test.session_versions (id uuid primary key);
-- defect: the column goes by another name
create table rule_test.tenants (id uuid primary key);
create table rule_test.sessions (id uuid primary key, practice_id uuid not null references rule_test.tenants);
-- lookalike: a table that is no tenant table
create table rule_test.countries (code char(2) primary key);
