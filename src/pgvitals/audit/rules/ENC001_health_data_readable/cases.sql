-- defect: a date
create table rule_test.clients (id uuid primary key, born_on date);
-- cure
alter table rule_test.clients drop column born_on, add column born_on bytea;
-- defect: a domain over a text
create domain rule_test.history as text;
create table rule_test.clients (id uuid primary key, medical_history rule_test.history);
-- cure
alter table rule_test.clients rename column medical_history to medical_history_sealed;
-- lookalike: a text that its name calls ciphertext
create table rule_test.clients (id uuid primary key, born_on_encrypted text);
-- lookalike: a column that is no health data
create table rule_test.clients (id uuid primary key, note text);
