-- given
create table rule_test.clients (id uuid primary key, tenant_id uuid not null, is_active boolean);
alter table rule_test.clients enable row level security, force row level security;
create function rule_test.current_tenant() returns uuid language sql stable
  as $$ select nullif(current_setting('app.current_tenant_id', true), '')::uuid $$;
-- defect: a function that reads it
create policy own on rule_test.clients using (tenant_id = rule_test.current_tenant());
-- defect: inside of a cast
create policy own on rule_test.clients using (tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid);
-- defect: once in a subquery, and once not
create policy own on rule_test.clients
  using (tenant_id = (select rule_test.current_tenant())) with check (is_active and tenant_id = rule_test.current_tenant());
-- lookalike: a subquery around a cast
create policy own on rule_test.clients
  using (is_active and tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
-- lookalike: a subquery around a CASE
create policy own on rule_test.clients using (tenant_id = (select case
  when current_setting('app.current_tenant_id', true) ~ '^[0-9a-f-]{36}$' then current_setting('app.current_tenant_id', true)::uuid end));
-- lookalike: a subquery around a function
create policy own on rule_test.clients using (tenant_id = (select rule_test.current_tenant()));
