-- defect: a table of keys without versions
create table rule_test.clients (id uuid primary key, email bytea, phone bytea);
create table rule_test.tenant_keys (id uuid primary key, wrapped_key bytea);
-- lookalike: a column beside it
create table rule_test.clients (id uuid primary key, email bytea, email_key_id uuid);
-- lookalike: nothing is encrypted
create table rule_test.clients (id uuid primary key, name text);
