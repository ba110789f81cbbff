-- defect: money
create table rule_test.invoices (id uuid primary key, amount numeric(12, 2));
-- defect: a condition of another column
create table rule_test.tokens (id uuid primary key, rotation_count int not null default 0, status text check (status <> ''));
-- lookalike: a condition of two columns
create table rule_test.visits (id uuid primary key, duration_minutes int, break_minutes int, check (duration_minutes > break_minutes and break_minutes >= 0));
-- lookalike: a domain that has one
create domain rule_test.positive as int check (value > 0);
create table rule_test.visits (id uuid primary key, duration_minutes rule_test.positive);
-- lookalike: what may well be negative
create table rule_test.accounts (id uuid primary key, balance numeric, temperature numeric);
