create table rule_test.sessions (
  id uuid primary key,
  refresh_token text not null
);
