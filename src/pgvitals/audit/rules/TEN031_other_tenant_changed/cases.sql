-- given
create table rule_test.clients (id uuid primary key, tenant_id uuid not null, name text);
insert into rule_test.clients select gen_random_uuid(), gen_random_uuid(), 'x' from generate_series(1, 2) as n;
grant select, insert, update, delete on rule_test.clients to rule_test_app;
-- defect: row-level security is off
select;
-- cure
create policy own on rule_test.clients using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
alter table rule_test.clients enable row level security;
-- defect: only a foreign key is in the way
create table rule_test.visits (id int primary key, client_id uuid references rule_test.clients);
insert into rule_test.visits select row_number() over (), id from rule_test.clients;
revoke update on rule_test.clients from rule_test_app;
-- cure
create policy own on rule_test.clients using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
alter table rule_test.clients enable row level security;
-- lookalike: the application may only read
revoke update, delete on rule_test.clients from rule_test_app;
-- lookalike: an isolated table
create policy own on rule_test.clients using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
alter table rule_test.clients enable row level security;
