create table rule_test.clients (
  id uuid primary key,
  email text,
  email_key bytea generated always as (sha256(email::bytea)) stored
);
