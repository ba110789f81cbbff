-- defect: there is no role to take the right from
create table rule_test.visits (id uuid primary key);
-- defect: when it was changed is no mark
create table rule_test.visits (id uuid primary key, updated_at timestamptz);
grant delete on rule_test.visits to public;
-- lookalike: a flag
create table rule_test.clients (id uuid primary key, is_active boolean not null default true);
grant delete on rule_test.clients to rule_test_app;
-- lookalike: the application cannot delete
create table rule_test.visits (id uuid primary key);
grant select, insert on rule_test.visits to rule_test_app;
-- lookalike: nobody wants it kept
create table rule_test.drafts (id uuid primary key);
