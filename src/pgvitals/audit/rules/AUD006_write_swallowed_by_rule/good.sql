drop rule audit_log_immutable on rule_test.audit_log;
create function rule_test.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'append-only';
end
$$;
create trigger append_only before update or delete or truncate on rule_test.audit_log
  for each statement execute function rule_test.refuse_change();
