-- defect: another name
create table rule_test.patients (id uuid primary key, birthdate date);
-- lookalike: an encrypted one
create table rule_test.patients (id uuid primary key, date_of_birth bytea);
-- lookalike: a condition with another column
create table rule_test.patients (id uuid primary key, born_on date, created_at timestamptz not null default now(), check (born_on <= created_at at time zone 'UTC'));
