-- given
create table rule_test.clients (id uuid primary key, tenant_id text not null, of uuid not null);
insert into rule_test.clients values (gen_random_uuid(), 'north', gen_random_uuid());
grant select, insert, update, delete on rule_test.clients to rule_test_app;
alter table rule_test.clients enable row level security;
-- defect: a list is split
create policy own on rule_test.clients using (tenant_id = any (string_to_array((select current_setting('app.current_tenant_id', true)), ',')));
-- cure
alter policy own on rule_test.clients using (tenant_id = (select current_setting('app.current_tenant_id', true)));
-- defect: blanks are cut off
create policy own on rule_test.clients using (tenant_id = (select btrim(current_setting('app.current_tenant_id', true))));
-- cure
alter policy own on rule_test.clients using (tenant_id = (select current_setting('app.current_tenant_id', true)));
-- defect: what is no id raises an error
create policy own on rule_test.clients using (of = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
-- cure
alter policy own on rule_test.clients using (tenant_id = (select current_setting('app.current_tenant_id', true)));
-- lookalike: its form is looked at first
create policy own on rule_test.clients using (of = (select case
  when current_setting('app.current_tenant_id', true) ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
  then current_setting('app.current_tenant_id', true)::uuid end));
