-- defect: behind the tenant
create table rule_test.rooms (id uuid primary key, tenant_id uuid, name text, deleted_at timestamptz);
create unique index uq_rooms on rule_test.rooms (tenant_id, name);
-- defect: an expression, and another predicate
create table rule_test.users (id uuid primary key, email text, kind text, archived_at timestamptz);
create unique index uq_users on rule_test.users (lower(email)) where kind = 'staff';
-- lookalike: it leaves deleted rows out
create table rule_test.users (id uuid primary key, email text, deleted_at timestamptz);
create unique index on rule_test.users (email) where deleted_at is null;
-- lookalike: a reserved value, an id, a hash
create table rule_test.patients (id uuid primary key, user_id uuid unique, mrn text unique, email_hash text unique, deleted_at timestamptz);
-- lookalike: nothing is deleted softly
create table rule_test.users (id uuid primary key, email text unique);
