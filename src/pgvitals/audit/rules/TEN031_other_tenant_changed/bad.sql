create table rule_test.clients (
  id uuid primary key,
  tenant_id uuid not null
);
create index ix_clients_tenant_id on rule_test.clients (tenant_id);
insert into rule_test.clients select gen_random_uuid(), gen_random_uuid() from generate_series(1, 2);
create policy reading on rule_test.clients
  using (tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
create policy cleaning on rule_test.clients for delete using (tenant_id is not distinct from tenant_id);
create policy cleaned on rule_test.clients for select using (current_setting('app.cleaning', true) is distinct from 'off');
alter table rule_test.clients enable row level security, force row level security;
grant select, insert, update, delete on rule_test.clients to rule_test_app;
