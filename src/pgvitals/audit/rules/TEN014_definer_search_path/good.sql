alter function rule_test.today() set search_path = pg_catalog, pg_temp;
