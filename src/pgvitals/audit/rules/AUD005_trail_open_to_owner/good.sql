create trigger not_at_once before truncate on rule_test.audit_log
  for each statement execute function rule_test.refuse_change();
