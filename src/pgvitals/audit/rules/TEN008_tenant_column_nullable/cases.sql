-- defect: a default does not forbid null
create table rule_test.clients (id uuid primary key, tenant_id uuid default gen_random_uuid());
-- defect: a CHECK that null passes
create table rule_test.clients (id uuid primary key, tenant_id text check (tenant_id <> ''));
-- lookalike: a part of the primary key
create table rule_test.clients (id uuid, tenant_id uuid, primary key (tenant_id, id));
-- lookalike: rows that may have none, says the policy
create table rule_test.events (id uuid primary key, tenant_id uuid);
