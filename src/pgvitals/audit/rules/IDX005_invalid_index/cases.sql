-- given
create table rule_test.clients (id uuid primary key, email text) partition by hash (id);
create table rule_test.clients_0 partition of rule_test.clients for values with (modulus 1, remainder 0);
-- defect: a partitioned index without its parts
create index ix_email on only rule_test.clients (email);
-- lookalike: a partitioned index with all of them
create index ix_email on rule_test.clients (email);
