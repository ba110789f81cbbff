alter table rule_test.sessions rename column refresh_token to refresh_token_hash;
