-- defect: an owner that can log in
create table rule_test.clients (id uuid primary key);
alter role rule_test_owner login;
alter table rule_test.clients enable row level security;
alter table rule_test.clients owner to rule_test_owner;
-- defect: forced once, and no more
create table rule_test.clients (id uuid primary key);
alter table rule_test.clients enable row level security, force row level security;
alter table rule_test.clients no force row level security;
-- lookalike: a table without row-level security
create table rule_test.countries (code char(2) primary key);
