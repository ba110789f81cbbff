-- given
create table rule_test.visits (id uuid primary key, tenant_id uuid, client_id uuid, day date, note text);
-- defect: the beginning of a unique constraint
alter table rule_test.visits add unique (tenant_id, day);
create index on rule_test.visits (tenant_id);
-- defect: two of three columns
create index on rule_test.visits (tenant_id, client_id, day);
create index on rule_test.visits (tenant_id, client_id);
-- lookalike: another operator class
create index on rule_test.visits (note text_pattern_ops, day);
create index on rule_test.visits (note);
-- lookalike: another predicate
create index on rule_test.visits (tenant_id, day) where note is null;
create index on rule_test.visits (tenant_id);
-- lookalike: the end of another
create index on rule_test.visits (tenant_id, day);
create index on rule_test.visits (day);
-- lookalike: another method
create index on rule_test.visits (tenant_id, day);
create index on rule_test.visits using hash (tenant_id);
