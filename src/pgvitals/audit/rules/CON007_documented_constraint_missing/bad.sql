create table rule_test.tokens (
  id uuid primary key,
  rotation_count int not null check (rotation_count > -1)
);
