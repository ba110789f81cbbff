-- defect: deletes of another table
create table rule_test.clients (id uuid primary key);
create rule keep as on delete to rule_test.clients do instead nothing;
-- defect: some inserts
create table rule_test.clients (id uuid primary key, name text);
create rule quiet as on insert to rule_test.clients where new.name is null do instead nothing;
-- lookalike: a rule that does something else instead
create table rule_test.clients (id uuid primary key);
create table rule_test.gone (id uuid primary key);
create rule moved as on delete to rule_test.clients do instead insert into rule_test.gone values (old.id);
-- lookalike: a view
create view rule_test.one as select 1 as n;
