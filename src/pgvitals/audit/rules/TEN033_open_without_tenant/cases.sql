-- given
create table rule_test.clients (id uuid primary key, tenant_id uuid not null);
insert into rule_test.clients values (gen_random_uuid(), gen_random_uuid());
grant select, insert, update, delete on rule_test.clients to rule_test_app;
-- defect: an error while it is unset
create policy own on rule_test.clients using (tenant_id = (select nullif(current_setting('app.current_tenant_id'), '')::uuid));
alter table rule_test.clients enable row level security;
-- cure
alter policy own on rule_test.clients using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
-- defect: an error while it is empty
create policy own on rule_test.clients using (tenant_id = (select current_setting('app.current_tenant_id', true)::uuid));
alter table rule_test.clients enable row level security;
-- cure
alter policy own on rule_test.clients using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
-- defect: row-level security is off
select;
-- cure
create policy own on rule_test.clients using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
alter table rule_test.clients enable row level security;
-- lookalike: no row
delete from rule_test.clients;
