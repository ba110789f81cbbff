create table rule_test.users (
  id uuid primary key,
  email text not null,
  deleted_at timestamptz,
  constraint uq_users_email unique (email)
);
