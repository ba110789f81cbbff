create or replace function rule_test.record_change() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
  insert into rule_test.audit_log (table_name, operation, changed) values (tg_table_name, tg_op, '["history"]');
  return null;
end
$$;
