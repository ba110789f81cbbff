-- defect: it was never validated
create table rule_test.tokens (id uuid primary key, rotation_count int);
alter table rule_test.tokens add constraint ck_tokens_rotation_count_valid check (rotation_count >= 0) not valid;
-- defect: it is on another table
create table rule_test.tokens (id uuid primary key, rotation_count int);
create table rule_test.keys (id uuid primary key, rotation_count int constraint ck_tokens_rotation_count_valid check (rotation_count >= 0));
-- lookalike: it is there
create table rule_test.tokens (id uuid primary key, rotation_count int constraint ck_tokens_rotation_count_valid check (rotation_count >= 0));
