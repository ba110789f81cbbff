-- given
create table rule_test.clients (id uuid primary key, tenant_id uuid not null);
alter table rule_test.clients enable row level security, force row level security;
-- defect: a cast of what may be empty
create policy own on rule_test.clients using (tenant_id = (select current_setting('app.current_tenant_id', true)::uuid));
-- defect: a function that casts it
create function rule_test.current_tenant() returns uuid language sql stable
  as $$ select current_setting('app.current_tenant_id', true)::uuid $$;
create policy own on rule_test.clients using (tenant_id = (select rule_test.current_tenant()));
-- cure
create or replace function rule_test.current_tenant() returns uuid language sql stable
  as $$ select nullif(current_setting('app.current_tenant_id', true), '')::uuid $$;
-- lookalike: what is empty is null before the cast
create policy own on rule_test.clients using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
-- lookalike: a CASE looks at it first
create function rule_test.current_tenant() returns uuid language sql stable as $$
  select case when current_setting('app.current_tenant_id', true) ~ '^[0-9a-f-]{36}$' then current_setting('app.current_tenant_id', true)::uuid end
$$;
