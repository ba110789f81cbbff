create table rule_test.patients (
  id bigint generated always as identity primary key,
  born_on date
);
