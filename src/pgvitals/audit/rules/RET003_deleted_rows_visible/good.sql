create policy everybody on rule_test.notes using (deleted_at is null);
alter table rule_test.notes enable row level security, force row level security;
