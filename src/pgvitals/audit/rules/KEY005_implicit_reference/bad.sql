create table rule_test.auth_tokens (
  id uuid primary key,
  parent_token_id uuid
);
create index ix_auth_tokens_parent_token_id on rule_test.auth_tokens (parent_token_id);
