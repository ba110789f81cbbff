create table rule_test.patients (
  id uuid primary key,
  date_of_birth date not null
);
