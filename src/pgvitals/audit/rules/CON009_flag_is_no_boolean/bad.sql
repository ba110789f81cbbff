create table rule_test.clients (
  id uuid primary key,
  is_active char(1) not null default 'Y'
);
