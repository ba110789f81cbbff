create or replace function rule_test.record_change() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
  insert into rule_test.audit_log (actor_id, tenant_id, table_name, operation)
  values (nullif(current_setting('app.current_user_id', true), '')::uuid, new.tenant_id, tg_table_name, tg_op);
  return null;
end
$$;
