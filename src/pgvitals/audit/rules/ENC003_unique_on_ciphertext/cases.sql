-- defect: a unique index
create table rule_test.clients (id uuid primary key, email bytea, deleted_at date);
create unique index on rule_test.clients (email) where deleted_at is null;
-- defect: a primary key
create table rule_test.clients (ssn_encrypted bytea primary key);
-- lookalike: a plain index, which another rule speaks of
create table rule_test.clients (id uuid primary key, email bytea);
create index on rule_test.clients (email);
-- lookalike: a unique hash
create table rule_test.clients (id uuid primary key, email bytea, email_index bytea unique);
