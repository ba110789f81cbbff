-- given
create table rule_test.patients (id uuid primary key, tenant_id uuid not null);
alter table rule_test.patients enable row level security, force row level security;
-- defect: a table that only its foreign key gives away
create table rule_test.allergies (id uuid primary key, patient_id uuid references rule_test.patients);
-- defect: a child of a child
create table rule_test.visits (id uuid primary key, patient_id uuid references rule_test.patients);
alter table rule_test.visits enable row level security;
create table rule_test.findings (id uuid primary key, visit_id uuid references rule_test.visits);
-- defect: a composite reference
create table rule_test.consents (id uuid primary key, patient uuid);
alter table rule_test.patients add unique (tenant_id, id);
create table rule_test.orders (id uuid primary key, t uuid, p uuid, foreign key (t, p) references rule_test.patients (tenant_id, id));
-- lookalike: a shared table
create table rule_test.users (id uuid primary key, patient_id uuid references rule_test.patients);
-- lookalike: a table that carries the tenant itself
create table rule_test.notes (id uuid primary key, tenant_id uuid, patient_id uuid references rule_test.patients);
-- lookalike: the table of tenants
create table rule_test.tenants (id uuid primary key, first_patient_id uuid references rule_test.patients);
