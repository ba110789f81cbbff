-- defect: no default
create table rule_test.clients (id uuid primary key, created_at timestamptz not null);
-- defect: null is allowed
create table rule_test.clients (id uuid primary key, inserted_at timestamptz default now());
-- lookalike: both
create table rule_test.clients (id uuid primary key, created_at timestamptz not null default clock_timestamp(), updated_at timestamptz);
