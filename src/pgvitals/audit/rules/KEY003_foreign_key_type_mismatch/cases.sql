-- defect: one of two columns
create table rule_test.clients (tenant_id int, id bigint, primary key (tenant_id, id));
create table rule_test.visits (id uuid primary key, tenant_id int, client_id int,
  foreign key (tenant_id, client_id) references rule_test.clients);
-- defect: a shorter text
create table rule_test.codes (code varchar(26) primary key);
create table rule_test.uses (id uuid primary key, code varchar(20) references rule_test.codes);
-- lookalike: a domain over the same type
create domain rule_test.ulid as varchar(26);
create table rule_test.clients (id rule_test.ulid primary key);
create table rule_test.visits (id uuid primary key, client_id varchar(26) references rule_test.clients);
