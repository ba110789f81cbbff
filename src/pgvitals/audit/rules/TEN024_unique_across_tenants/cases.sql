-- given
create table rule_test.clients (id uuid primary key, tenant_id uuid not null, code varchar(20), email text, token_hash text, deleted_at date);
-- defect: a partial index
create unique index on rule_test.clients (code) where deleted_at is null;
-- defect: two columns
create unique index on rule_test.clients (code, email);
-- defect: an expression
create unique index on rule_test.clients (lower(email));
-- lookalike: a hash
create unique index on rule_test.clients (token_hash);
-- lookalike: behind the tenant
create unique index on rule_test.clients (email, tenant_id);
-- lookalike: a reference, one to one
create table rule_test.users (email text primary key);
alter table rule_test.clients add unique (email), add foreign key (email) references rule_test.users;
