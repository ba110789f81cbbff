-- defect: a user with a role before it
create table rule_test.users (id uuid primary key);
create table rule_test.notes (id uuid primary key, created_by_user_id uuid);
-- defect: a table whose name ends in ies
create table rule_test.policies (id bigint primary key);
create table rule_test.claims (id bigint primary key, policy_id bigint);
-- lookalike: one of several tables
create table rule_test.users (id uuid primary key);
create table rule_test.notes (id uuid primary key, user_id uuid, user_type text);
-- lookalike: somebody else's id
create table rule_test.users (id uuid primary key);
create table rule_test.notes (id uuid primary key, external_user_id uuid, user_id text);
