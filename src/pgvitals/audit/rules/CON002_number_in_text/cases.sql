-- defect: money
create table rule_test.services (id uuid primary key, price text);
-- defect: a length of time
create table rule_test.visits (id uuid primary key, duration_minutes character(10));
-- lookalike: digits that are no number
create table rule_test.practices (id uuid primary key, npi_number varchar(10), zip_code text, version varchar(20), phone text);
-- lookalike: a number
create table rule_test.services (id uuid primary key, price numeric(10, 2));
