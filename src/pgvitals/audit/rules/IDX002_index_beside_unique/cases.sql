-- given
create table rule_test.clients (id uuid primary key, tenant_id uuid, email text);
-- defect: beside a unique constraint of two columns
alter table rule_test.clients add unique (tenant_id, email);
create index on rule_test.clients (tenant_id, email);
-- lookalike: a unique index of fewer rows
create unique index on rule_test.clients (email) where tenant_id is null;
create index on rule_test.clients (email);
-- lookalike: a unique index of more columns
alter table rule_test.clients add unique (email, tenant_id);
create index on rule_test.clients (tenant_id);
