-- given
create table rule_test.visits (id uuid primary key, tenant_id uuid not null, status text, starts_at timestamptz);
-- defect: the tenant comes last of three
create index on rule_test.visits (status, starts_at, tenant_id);
-- defect: a partial index
create index on rule_test.visits (starts_at, tenant_id) where status = 'open';
-- lookalike: a unique constraint
alter table rule_test.visits add unique (id, tenant_id);
-- lookalike: the tenant is only included
create index on rule_test.visits (starts_at) include (tenant_id);
-- lookalike: the tenant comes first
create index on rule_test.visits (tenant_id, status);
