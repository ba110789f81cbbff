create table rule_test.appointments (
  id uuid primary key,
  workspace_id uuid not null,
  starts_at timestamptz not null
);
create index ix_appointments_workspace_id on rule_test.appointments (workspace_id);
create index ix_appointments_workspace_time on rule_test.appointments (workspace_id, starts_at);
