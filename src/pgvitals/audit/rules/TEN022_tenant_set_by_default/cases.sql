-- defect: for the database
do $$ begin execute format('alter database %I set app.current_tenant_id = %L', current_database(), 'a'); end $$;
-- defect: for the owner, in this database
do $$ begin execute format('alter role rule_test_owner in database %I set app.current_tenant_id = %L', current_database(), 'a'); end $$;
-- lookalike: another setting
alter role rule_test_app set app.region = 'north';
-- lookalike: an empty tenant, which is nobody
alter role rule_test_app set app.current_tenant_id = '';
