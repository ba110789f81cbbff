revoke update, delete on rule_test.audit_log from rule_test_app;
create function rule_test.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'append-only';
end
$$;
create trigger append_only before update or delete or truncate on rule_test.audit_log
  for each statement execute function rule_test.refuse_change();
