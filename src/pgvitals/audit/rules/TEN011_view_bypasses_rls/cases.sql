-- given
create table rule_test.clients (id uuid primary key, tenant_id uuid not null);
alter table rule_test.clients owner to rule_test_owner;
alter table rule_test.clients enable row level security, force row level security;
create view rule_test.client_list as select id from rule_test.clients;
-- defect: an owner that is exempt while it is not forced
alter table rule_test.clients no force row level security;
alter view rule_test.client_list owner to rule_test_owner;
grant select on rule_test.client_list to rule_test_app;
-- defect: an owner with BYPASSRLS
create role rule_test_reports bypassrls;
grant select on rule_test.clients to rule_test_reports;
alter view rule_test.client_list owner to rule_test_reports;
grant select on rule_test.client_list to rule_test_app;
-- defect: a view of a view
create view rule_test.names as select id from rule_test.client_list;
alter view rule_test.names owner to rule_test_owner;
grant select on rule_test.names to rule_test_app;
-- lookalike: a view that the application may not read
select count(*) from rule_test.client_list;
-- lookalike: an owner that is not exempt
alter view rule_test.client_list owner to rule_test_owner;
grant select on rule_test.client_list to rule_test_app;
