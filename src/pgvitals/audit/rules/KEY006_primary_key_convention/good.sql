drop table rule_test.patients;
create table rule_test.patients (
  id uuid primary key default gen_random_uuid(),
  born_on date
);
