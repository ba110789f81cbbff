create table rule_test.clients (
  id uuid primary key,
  tenant_id text not null
);
create index ix_clients_tenant_id on rule_test.clients (tenant_id);
insert into rule_test.clients values (gen_random_uuid(), 'north');
create policy tenant_isolation on rule_test.clients
  using (tenant_id like (select current_setting('app.current_tenant_id', true)));
alter table rule_test.clients enable row level security, force row level security;
grant select, insert, update, delete on rule_test.clients to rule_test_app;
