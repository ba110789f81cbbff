create table rule_test.notes (
  id uuid primary key,
  is_deleted boolean not null default false
);
