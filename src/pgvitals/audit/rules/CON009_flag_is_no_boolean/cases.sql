-- defect: a number
create table rule_test.clients (id uuid primary key, has_insurance smallint default 0);
-- defect: a text
create table rule_test.clients (id uuid primary key, can_login text);
-- lookalike: booleans and other things
create table rule_test.clients (id uuid primary key, is_active boolean, island text, canton text, has_paid_at timestamptz);
