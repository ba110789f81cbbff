-- defect: another column has the condition
create table rule_test.claims (id uuid primary key, payment_status text, status text check (status in ('open', 'closed')));
-- cure
alter table rule_test.claims add check (payment_status in ('due', 'paid'));
-- defect: a domain without one
create domain rule_test.word as varchar(20);
create table rule_test.claims (id uuid primary key, status rule_test.word);
-- cure
alter domain rule_test.word add check (value in ('open', 'closed'));
-- lookalike: an enum
create type rule_test.state as enum ('open', 'closed');
create table rule_test.claims (id uuid primary key, status rule_test.state);
-- lookalike: a table of them
create table rule_test.statuses (code text primary key);
create table rule_test.claims (id uuid primary key, status text references rule_test.statuses);
-- lookalike: words about a status
create table rule_test.claims (id uuid primary key, status_changed_at timestamptz, status_note text, consent_status boolean);
