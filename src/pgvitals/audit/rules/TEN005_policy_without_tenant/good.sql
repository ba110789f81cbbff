alter policy active on rule_test.clients using (
  is_active and tenant_id = (select nullif(current_setting('app.current_tenant_id', true), '')::uuid));
