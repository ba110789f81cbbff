-- given
create table rule_test.tenants (id uuid primary key);
-- defect: a foreign key of another column
create table rule_test.clients (id uuid primary key, tenant_id uuid not null, owner_id uuid references rule_test.tenants);
-- defect: a partitioned table
create table rule_test.clients (id uuid, tenant_id uuid, primary key (tenant_id, id)) partition by hash (tenant_id);
create table rule_test.clients_0 partition of rule_test.clients for values with (modulus 1, remainder 0);
-- lookalike: a part of a composite foreign key
create table rule_test.practices (tenant_id uuid references rule_test.tenants, id uuid, primary key (tenant_id, id));
create table rule_test.clients (id uuid primary key, tenant_id uuid, practice_id uuid,
  foreign key (tenant_id, practice_id) references rule_test.practices (tenant_id, id));
-- lookalike: no table of tenants
drop table rule_test.tenants;
create table rule_test.clients (id uuid primary key, tenant_id uuid not null);
