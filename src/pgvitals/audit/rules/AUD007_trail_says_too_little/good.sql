alter table rule_test.audit_log add column actor_id text;
