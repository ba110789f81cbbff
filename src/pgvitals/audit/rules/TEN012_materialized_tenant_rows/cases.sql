-- given
create table rule_test.clients (id uuid primary key, tenant_id uuid not null);
-- defect: through a view, for everybody
create view rule_test.client_list as select id from rule_test.clients;
create materialized view rule_test.copy as select id from rule_test.client_list;
grant select on rule_test.copy to public;
revoke all on rule_test.client_list from rule_test_app;
-- defect: one column of it
create materialized view rule_test.copy as select id, tenant_id from rule_test.clients;
grant select (id) on rule_test.copy to rule_test_app;
-- lookalike: of a table that is nobody's
create table rule_test.countries (code char(2) primary key);
create materialized view rule_test.copy as select code from rule_test.countries;
grant select on rule_test.copy to rule_test_app;
