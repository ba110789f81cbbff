-- given
create table rule_test.clients (id uuid primary key, tenant_id uuid not null, is_public boolean);
insert into rule_test.clients select gen_random_uuid(), gen_random_uuid(), n = 3 from generate_series(1, 3) as n;
grant select, insert, update, delete on rule_test.clients to rule_test_app;
-- defect: row-level security is off
create policy own on rule_test.clients using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
-- cure
alter table rule_test.clients enable row level security;
-- defect: some rows of others are shown
create policy own on rule_test.clients
  using (is_public or tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
alter table rule_test.clients enable row level security;
-- cure
alter policy own on rule_test.clients using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
-- defect: a child of an isolated table
create policy own on rule_test.clients using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
alter table rule_test.clients enable row level security;
create table rule_test.phones (id int primary key, client_id uuid references rule_test.clients);
insert into rule_test.phones select row_number() over (), id from rule_test.clients;
grant select on rule_test.phones to rule_test_app;
-- cure
alter table rule_test.phones enable row level security;
create policy own on rule_test.phones using (exists (select from rule_test.clients as c where c.id = client_id));
-- lookalike: an isolated table with a key of two columns
drop table rule_test.clients;
create table rule_test.clients (tenant_id uuid, id int, primary key (tenant_id, id));
insert into rule_test.clients select gen_random_uuid(), n from generate_series(1, 2) as n;
grant select on rule_test.clients to rule_test_app;
create policy own on rule_test.clients using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
alter table rule_test.clients enable row level security;
-- lookalike: the application has no rights on it
revoke all on rule_test.clients from rule_test_app;
-- lookalike: rows of one tenant only
delete from rule_test.clients where ctid <> '(0,1)';
