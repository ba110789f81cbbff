alter table rule_test.visits alter column starts_at type timestamptz using starts_at at time zone 'UTC';
