-- given
create table rule_test.clients (id uuid primary key, tenant_id uuid not null);
insert into rule_test.clients select gen_random_uuid(), gen_random_uuid() from generate_series(1, 2) as n;
grant select, insert, update, delete on rule_test.clients to rule_test_app;
create policy own on rule_test.clients using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
-- defect: a second policy for inserts
alter table rule_test.clients enable row level security;
create policy adding on rule_test.clients for insert with check (tenant_id is not null);
-- cure
drop policy adding on rule_test.clients;
-- defect: a child is hung on another tenant's row
alter table rule_test.clients enable row level security;
create table rule_test.phones (id int primary key, client_id uuid references rule_test.clients);
insert into rule_test.phones select row_number() over (), id from rule_test.clients;
grant select, insert, update on rule_test.phones to rule_test_app;
alter table rule_test.phones enable row level security;
create policy own on rule_test.phones using (exists (select from rule_test.clients as c where c.id = client_id)) with check (client_id is not null);
-- cure
alter policy own on rule_test.phones with check (exists (select from rule_test.clients as c where c.id = client_id));
-- lookalike: an isolated table with a generated column
alter table rule_test.clients enable row level security;
alter table rule_test.clients add column n int generated always as (1) stored, add column m int generated always as identity;
-- lookalike: the application may only read
revoke insert, update on rule_test.clients from rule_test_app;
