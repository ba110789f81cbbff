alter table rule_test.clients force row level security;
