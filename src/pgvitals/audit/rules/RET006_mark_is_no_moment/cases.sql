-- defect: a day is no moment
create table rule_test.notes (id uuid primary key, deleted_at date);
-- defect: archived or not
create table rule_test.notes (id uuid primary key, is_archived boolean);
-- lookalike: a moment
create table rule_test.notes (id uuid primary key, deleted_at timestamptz);
-- lookalike: both
create table rule_test.notes (id uuid primary key, is_deleted boolean, deleted_at timestamptz);
