-- given
create table rule_test.clients (id uuid primary key);
create table rule_test.tenants (id uuid primary key);
-- defect: a reference to itself
create table rule_test.records (id uuid primary key, parent_id uuid references rule_test.records on delete cascade);
-- defect: one of two
create table rule_test.records (id uuid primary key, a uuid references rule_test.clients on delete cascade, b uuid references rule_test.clients on delete restrict);
-- lookalike: it goes with its tenant
create table rule_test.records (id uuid primary key, tenant_id uuid references rule_test.tenants on delete cascade);
-- lookalike: the reference is emptied
create table rule_test.records (id uuid primary key, client_id uuid references rule_test.clients on delete set null);
-- lookalike: the application may not delete the other row
create table rule_test.records (id uuid primary key, client_id uuid references rule_test.clients on delete cascade);
grant select on rule_test.clients to rule_test_app;
