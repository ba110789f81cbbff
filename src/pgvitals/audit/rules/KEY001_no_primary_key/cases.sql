-- defect: a unique index over columns that may be null
create table rule_test.notes (a int, b int);
create unique index on rule_test.notes (a, b);
-- defect: an inherited table without a key of its own
create table rule_test.people (id uuid primary key);
create table rule_test.patients () inherits (rule_test.people);
-- lookalike: a key of two columns
create table rule_test.members (a uuid, b uuid, primary key (a, b));
-- lookalike: a partition, which has its table's
create table rule_test.events (id uuid, at date, primary key (id, at)) partition by range (at);
create table rule_test.events_2026 partition of rule_test.events for values from ('2026-01-01') to ('2027-01-01');
