-- given
create table rule_test.notes (id uuid primary key, tenant_id uuid, deleted_at timestamptz);
grant select on rule_test.notes to rule_test_app;
-- defect: the policy speaks of the tenant only
create policy own on rule_test.notes using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
alter table rule_test.notes enable row level security;
-- defect: the policy is there, and off
create policy own on rule_test.notes using (deleted_at is null);
-- lookalike: the application has no rights on it
revoke select on rule_test.notes from rule_test_app;
-- lookalike: a restrictive policy
create policy own on rule_test.notes using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
create policy not_deleted on rule_test.notes as restrictive using (deleted_at is null);
alter table rule_test.notes enable row level security;
