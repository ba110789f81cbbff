create table rule_test.audit_log (
  id uuid primary key default gen_random_uuid(),
  actor_id text,
  tenant_id uuid,
  table_name text not null,
  row_id text not null,
  operation text not null,
  at timestamptz not null default clock_timestamp()
);
create rule audit_log_immutable as on update to rule_test.audit_log do instead nothing;
