-- defect: single precision
create table rule_test.services (id uuid primary key, price real check (price >= 0));
-- defect: the type money, whose currency is a setting of the server
create table rule_test.claims (id uuid primary key, copay money);
-- lookalike: a measurement
create table rule_test.vitals (id uuid primary key, temperature double precision);
-- lookalike: whole cents
create table rule_test.invoices (id uuid primary key, amount bigint check (amount >= 0));
