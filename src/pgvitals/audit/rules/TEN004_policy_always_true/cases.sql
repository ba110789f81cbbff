-- given
create table rule_test.clients (id uuid primary key, tenant_id uuid not null, is_active boolean);
alter table rule_test.clients enable row level security, force row level security;
-- defect: a value compared with itself
create policy own on rule_test.clients using (1 = 1);
-- defect: the tenant compared with itself
create policy own on rule_test.clients using (tenant_id = tenant_id);
-- defect: what may be written is not checked
create policy own on rule_test.clients
  using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid)) with check (true);
-- defect: an insert of anything
create policy adding on rule_test.clients for insert with check (true);
-- defect: an OR that cannot fail
create policy own on rule_test.clients
  using (tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid or true);
-- defect: a column that is never null is not null
create policy own on rule_test.clients using (tenant_id is not null);
-- lookalike: a restrictive policy
create policy all_of_them on rule_test.clients as restrictive using (true);
-- lookalike: a policy for another role
grant select on rule_test.clients to rule_test_app;
create policy migrating on rule_test.clients to rule_test_owner using (true);
-- lookalike: a condition that can fail
create policy own on rule_test.clients using (is_active is not null and tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid);
