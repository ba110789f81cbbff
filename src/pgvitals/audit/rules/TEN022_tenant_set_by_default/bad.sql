alter role rule_test_app set app.current_tenant_id = 'a';
