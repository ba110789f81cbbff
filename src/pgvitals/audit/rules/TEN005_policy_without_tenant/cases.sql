-- given
create table rule_test.clients (id uuid primary key, tenant_id uuid not null, owner_id uuid, is_public boolean);
alter table rule_test.clients enable row level security, force row level security;
-- defect: the user is asked for, and not the tenant
create policy own on rule_test.clients using (owner_id = (select nullif(current_setting('app.current_user_id', true), '')::uuid));
-- defect: a second policy opens what the first one closes
create policy own on rule_test.clients
  using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
create policy published on rule_test.clients for select using (is_public);
-- defect: what may be written asks for no tenant
create policy own on rule_test.clients
  using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid)) with check (is_public);
-- lookalike: a function asks for it
create function rule_test.current_tenant() returns uuid language sql stable
  as $$ select nullif(current_setting('app.current_tenant_id', true), '')::uuid $$;
create policy own on rule_test.clients using (tenant_id = (select rule_test.current_tenant()));
-- lookalike: a restrictive policy narrows another
create policy active on rule_test.clients as restrictive using (is_public);
-- lookalike: a subquery on an isolated table
create table rule_test.notes (id uuid primary key, tenant_id uuid not null, client_id uuid references rule_test.clients);
alter table rule_test.notes enable row level security, force row level security;
create policy of_client on rule_test.notes using (exists (select from rule_test.clients as c where c.id = client_id));
