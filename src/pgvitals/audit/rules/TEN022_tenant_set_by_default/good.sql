alter role rule_test_app reset app.current_tenant_id;
