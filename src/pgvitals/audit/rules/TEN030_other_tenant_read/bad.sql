create table rule_test.clients (
  id uuid primary key,
  tenant_id uuid not null
);
create index ix_clients_tenant_id on rule_test.clients (tenant_id);
insert into rule_test.clients select gen_random_uuid(), gen_random_uuid() from generate_series(1, 2);
create policy tenant_isolation on rule_test.clients
  using (tenant_id is distinct from (select nullif(current_setting('app.other_tenant_id', true), '')::uuid));
alter table rule_test.clients enable row level security, force row level security;
grant select, insert, update, delete on rule_test.clients to rule_test_app;
