create table rule_test.clients (id uuid primary key);
grant select on rule_test.clients to public;
