-- given
create table rule_test.clients (id uuid primary key, email text, name text, deleted_at date);
-- defect: two partial ones
create index on rule_test.clients (email) where deleted_at is null;
create index on rule_test.clients (email) where deleted_at is null;
-- defect: two unique constraints
alter table rule_test.clients add unique (email), add constraint once_more unique (email);
-- defect: two expressions
create index on rule_test.clients (lower(email));
create index on rule_test.clients (lower(email));
-- lookalike: another order
create index on rule_test.clients (email);
create index on rule_test.clients (email desc nulls first);
-- lookalike: another operator class
create index on rule_test.clients (email);
create index on rule_test.clients (email text_pattern_ops);
