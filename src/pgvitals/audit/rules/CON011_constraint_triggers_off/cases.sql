-- defect: the side that is referred to
create table rule_test.clients (id uuid primary key);
create table rule_test.visits (id uuid primary key, client_id uuid references rule_test.clients);
alter table rule_test.clients disable trigger all;
-- defect: a deferrable unique constraint
create table rule_test.slots (id uuid primary key, place int unique deferrable initially deferred);
alter table rule_test.slots disable trigger all;
-- lookalike: triggers of users
create table rule_test.clients (id uuid primary key);
create table rule_test.visits (id uuid primary key, client_id uuid references rule_test.clients);
alter table rule_test.visits disable trigger user;
