-- defect: an index that another column leads
create table rule_test.visits (id int primary key, tenant_id int, day date, note text);
create index on rule_test.visits (note, tenant_id);
insert into rule_test.visits select n, n % 50, date '2026-01-01' + n % 300, 'note ' || n from generate_series(1, 12000) as n;
analyze rule_test.visits;
-- lookalike: a small table
create table rule_test.visits (id int primary key, tenant_id int, day date);
insert into rule_test.visits select n, n % 50, date '2026-01-01' + n % 300 from generate_series(1, 500) as n;
analyze rule_test.visits;
-- lookalike: columns that hold one value
create table rule_test.visits (id int primary key, tenant_id int, day date);
insert into rule_test.visits select n, 1, date '2026-01-01' from generate_series(1, 12000) as n;
analyze rule_test.visits;
