-- given
create table rule_test.clients (id uuid primary key, tenant_id text not null);
alter table rule_test.clients enable row level security;
grant select on rule_test.clients to rule_test_app;
-- defect: a policy for another role
create policy own on rule_test.clients to rule_test_owner using (true);
-- defect: a restrictive policy alone
create policy own on rule_test.clients as restrictive using (tenant_id = current_setting('app.current_tenant_id', true));
-- defect: a policy for a command that the application may not give
create policy own on rule_test.clients for delete using (tenant_id = current_setting('app.current_tenant_id', true));
-- defect: a table of no tenant
drop table rule_test.clients;
create table rule_test.countries (code char(2) primary key);
alter table rule_test.countries enable row level security;
grant select on rule_test.countries to rule_test_app;
-- lookalike: a policy for a role that the application is a member of
create role rule_test_readers;
grant rule_test_readers to rule_test_app;
create policy own on rule_test.clients to rule_test_readers using (tenant_id = current_setting('app.current_tenant_id', true));
-- lookalike: a table that the application has no rights on
revoke all on rule_test.clients from rule_test_app;
