-- defect: policies are there, and off
create table rule_test.clients (id uuid primary key, tenant_id text not null);
create policy own on rule_test.clients using (tenant_id = (select current_setting('app.current_tenant_id', true)));
-- defect: a partition that the application may name
create table rule_test.visits (id uuid, tenant_id uuid not null, at date, primary key (id, at)) partition by range (at);
create table rule_test.visits_2026 partition of rule_test.visits for values from ('2026-01-01') to ('2027-01-01');
alter table rule_test.visits enable row level security;
grant select on rule_test.visits, rule_test.visits_2026 to rule_test_app;
-- lookalike: a partition that the application may not name
create table rule_test.visits (id uuid, tenant_id uuid not null, at date, primary key (id, at)) partition by range (at);
create table rule_test.visits_2026 partition of rule_test.visits for values from ('2026-01-01') to ('2027-01-01');
alter table rule_test.visits enable row level security;
grant select on rule_test.visits to rule_test_app;
-- lookalike: a table that is no tenant table
create table rule_test.countries (code char(2) primary key);
