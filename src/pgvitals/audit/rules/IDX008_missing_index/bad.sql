create table rule_test.visits (
  id int primary key,
  tenant_id int not null,
  day date not null
);
insert into rule_test.visits select n, n % 50, date '2026-01-01' + n % 300 from generate_series(1, 12000) as n;
analyze rule_test.visits;
