create table rule_test.audit_log (
  id uuid primary key default gen_random_uuid(),
  actor_id text,
  tenant_id uuid,
  table_name text not null,
  row_id text not null,
  operation text not null,
  at timestamptz not null default clock_timestamp()
);
insert into rule_test.audit_log (table_name, row_id, operation) values ('clients', '1', 'insert');
create function rule_test.refuse_change() returns trigger language plpgsql as $$
begin
  if current_user = 'rule_test_app' then
    raise exception 'append-only';
  end if;
  return coalesce(new, old);
end
$$;
create trigger append_only before update or delete on rule_test.audit_log
  for each row execute function rule_test.refuse_change();
create trigger append_only_as_a_whole before truncate on rule_test.audit_log
  for each statement execute function rule_test.refuse_change();
grant select, insert, update, delete on rule_test.audit_log to rule_test_app;
