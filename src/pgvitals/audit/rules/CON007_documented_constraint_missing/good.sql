alter table rule_test.tokens add constraint ck_tokens_rotation_count_valid check (rotation_count >= 0);
