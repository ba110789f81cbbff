create function rule_test.count_clients() returns bigint language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
  return (select count(*) from rule_test.clients);
end
$$;
grant execute on function rule_test.count_clients() to rule_test_app;
