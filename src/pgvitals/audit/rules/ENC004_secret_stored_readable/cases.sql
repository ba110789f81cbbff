-- defect: a password
create table rule_test.users (id uuid primary key, password varchar(255) not null);
-- cure
alter table rule_test.users rename column password to password_hash;
-- defect: a key that is not wrapped
create table rule_test.tenant_keys (id uuid primary key, key_material bytea not null);
-- cure
alter table rule_test.tenant_keys rename column key_material to wrapped_key;
-- defect: an API key with a default
create table rule_test.integrations (id uuid primary key, "apiClient_api_key" varchar(64) default 'none');
-- lookalike: a hash
create table rule_test.sessions (id uuid primary key, token_hash varchar(128));
-- lookalike: words about a secret
create table rule_test.sessions (id uuid primary key, token_type text, secret_id uuid, password_changed_at timestamptz);
-- lookalike: a wrapped key, and one that is elsewhere
create table rule_test.keys (id uuid primary key, wrapped_data_key bytea, kms_key_id text, public_access_key text);
