create table rule_test.invoices (
  id uuid primary key,
  total double precision not null
);
