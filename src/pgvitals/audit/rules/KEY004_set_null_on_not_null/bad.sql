create table rule_test.users (id uuid primary key);
create table rule_test.audit_events (
  id uuid primary key,
  user_id uuid not null references rule_test.users (id) on delete set null
);
create index ix_audit_events_user_id on rule_test.audit_events (user_id);
