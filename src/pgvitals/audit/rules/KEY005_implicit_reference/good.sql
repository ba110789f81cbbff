alter table rule_test.auth_tokens
  add foreign key (parent_token_id) references rule_test.auth_tokens (id) on delete set null;
