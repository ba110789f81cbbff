-- defect: a text
create table rule_test.patients (id text primary key);
-- defect: two columns, none of which is one
create table rule_test.visits (clinic int, number int, primary key (clinic, number));
-- lookalike: two columns, one of which is
create table rule_test.visits (clinic uuid, number int, primary key (clinic, number));
