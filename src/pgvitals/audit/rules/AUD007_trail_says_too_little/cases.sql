-- defect: whose it was
create table rule_test.audit_log (id uuid primary key, user_id uuid, resource_type text, resource_id uuid, action text, created_at timestamptz not null);
-- defect: a time without its zone
create table rule_test.audit_log (id uuid primary key, tenant_id uuid, changed_by text, entity text, entity_id text, event text, at timestamp not null);
-- defect: a time that may be missing
create table rule_test.audit_log (id uuid primary key, tenant_id uuid, actor text, table_name text, row_id text, op text, at timestamptz);
-- defect: nothing but a text
create table rule_test.audit_log (id uuid primary key, message text);
-- lookalike: other names for the same
create table rule_test.audit_log (id uuid primary key, tenant_ref uuid, performed_by text, object text, object_id text, verb text, at timestamptz(3) not null);
