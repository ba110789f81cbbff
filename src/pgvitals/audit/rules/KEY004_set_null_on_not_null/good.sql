alter table rule_test.audit_events alter column user_id drop not null;
