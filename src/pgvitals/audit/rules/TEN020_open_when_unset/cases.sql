-- given
create table rule_test.clients (id uuid primary key, tenant_id text not null);
alter table rule_test.clients enable row level security, force row level security;
create function rule_test.current_tenant() returns text language sql stable
  as $$ select nullif(current_setting('app.current_tenant_id', true), '') $$;
-- defect: the empty setting
create policy own on rule_test.clients
  using (tenant_id = (select current_setting('app.current_tenant_id', true)) or (select current_setting('app.current_tenant_id', true)) = '');
-- defect: a function that answers null
create policy own on rule_test.clients using ((select rule_test.current_tenant()) is null or tenant_id = (select rule_test.current_tenant()));
-- defect: without a setting it is the row's own tenant
create policy own on rule_test.clients using (tenant_id = coalesce(current_setting('app.current_tenant_id', true), tenant_id));
-- lookalike: it has to be there
create policy own on rule_test.clients
  using ((select rule_test.current_tenant()) is not null and tenant_id = (select rule_test.current_tenant()));
-- lookalike: an empty one is nobody
create policy own on rule_test.clients
  using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')));
