-- given
create table rule_test.clients (id uuid primary key, tenant_id uuid not null, name text, deleted_at timestamptz);
-- defect: an index that leaves rows out
create index on rule_test.clients (tenant_id) where deleted_at is null;
-- defect: an index that another column leads
create index on rule_test.clients (name, tenant_id);
-- defect: a partitioned table
drop table rule_test.clients;
create table rule_test.events (id uuid, tenant_id uuid not null, primary key (id)) partition by hash (id);
create table rule_test.events_0 partition of rule_test.events for values with (modulus 1, remainder 0);
-- lookalike: a unique constraint led by it
alter table rule_test.clients add unique (tenant_id, name);
-- lookalike: a hash index
create index on rule_test.clients using hash (tenant_id);
