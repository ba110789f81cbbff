-- given
create table rule_test.clients (id uuid primary key);
create table rule_test.visits (id uuid primary key, client_id uuid references rule_test.clients, day date);
-- defect: an index that another column leads
create index on rule_test.visits (day, client_id);
-- defect: an index that leaves some keys out
create index on rule_test.visits (client_id) where day > '2026-01-01';
-- defect: an index of a method that knows no equality here
create index on rule_test.visits using brin (client_id);
-- lookalike: a partial index without the keys that are null
create index on rule_test.visits (client_id) where client_id is not null;
-- lookalike: an index with more behind it
create index on rule_test.visits (client_id, day);
