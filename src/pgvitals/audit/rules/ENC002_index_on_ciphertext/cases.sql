-- defect: behind another column
create table rule_test.clients (id uuid primary key, tenant_id uuid, last_name bytea);
create index on rule_test.clients (tenant_id, last_name);
-- defect: a column whose name says what it holds
create table rule_test.clients (id uuid primary key, phone_encrypted text);
create index on rule_test.clients using hash (phone_encrypted);
-- lookalike: a blind index
create table rule_test.clients (id uuid primary key, email bytea, email_index bytea);
create index on rule_test.clients (email_index);
-- lookalike: it only says whether there is a value
create table rule_test.clients (id uuid primary key, tenant_id uuid, email bytea);
create index on rule_test.clients (tenant_id) where email is not null;
