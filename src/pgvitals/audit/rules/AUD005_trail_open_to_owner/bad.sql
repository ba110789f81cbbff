create table rule_test.audit_log (
  id uuid primary key default gen_random_uuid(),
  actor_id text,
  tenant_id uuid,
  table_name text not null,
  row_id text not null,
  operation text not null,
  at timestamptz not null default clock_timestamp()
);
create function rule_test.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'append-only';
end
$$;
create trigger append_only before update or delete on rule_test.audit_log
  for each row execute function rule_test.refuse_change();
