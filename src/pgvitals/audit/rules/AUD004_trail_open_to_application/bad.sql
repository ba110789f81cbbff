create table rule_test.audit_log (
  id uuid primary key default gen_random_uuid(),
  actor_id text,
  tenant_id uuid,
  table_name text not null,
  row_id text not null,
  operation text not null,
  at timestamptz not null default clock_timestamp()
);
grant select, insert, update, delete on rule_test.audit_log to rule_test_app;
