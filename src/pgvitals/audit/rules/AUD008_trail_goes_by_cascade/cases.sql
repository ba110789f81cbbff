-- defect: with its tenant
create table rule_test.tenants (id uuid primary key);
create table rule_test.audit_log (id uuid primary key, tenant_id uuid references rule_test.tenants on update cascade on delete cascade);
-- lookalike: the reference is emptied
create table rule_test.users (id uuid primary key);
create table rule_test.audit_log (id uuid primary key, user_id uuid references rule_test.users on delete set null);
-- lookalike: another table goes by cascade
create table rule_test.audit_log (id uuid primary key);
create table rule_test.details (id uuid primary key, audit_id uuid references rule_test.audit_log on delete cascade);
