create table rule_test.audit_log (
  id uuid primary key default gen_random_uuid(),
  actor_id text,
  tenant_id uuid,
  table_name text not null,
  row_id text,
  operation text not null,
  at timestamptz not null default clock_timestamp()
);
create function rule_test.refuse_change() returns trigger language plpgsql as 'begin raise exception ''append-only''; end';
create trigger append_only before update or delete or truncate on rule_test.audit_log
  for each statement execute function rule_test.refuse_change();
create function rule_test.record_change() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
  insert into rule_test.audit_log (table_name, operation) values (tg_table_name, tg_op);
  return null;
end
$$;
create table rule_test.clients (
  id uuid primary key,
  name text
);
create trigger audit after insert or update or delete on rule_test.clients
  for each row execute function rule_test.record_change();
create trigger audit_once_more after update on rule_test.clients
  for each row execute function rule_test.record_change();
insert into rule_test.clients values (gen_random_uuid(), 'Ada');
grant select, insert, update, delete on rule_test.clients to rule_test_app;
