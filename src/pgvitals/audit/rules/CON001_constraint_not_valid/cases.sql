-- given
create table rule_test.clients (id uuid primary key);
create table rule_test.visits (id uuid primary key, client_id uuid);
-- defect: a foreign key
alter table rule_test.visits add constraint fk foreign key (client_id) references rule_test.clients not valid;
-- lookalike: a validated one
alter table rule_test.visits add constraint fk foreign key (client_id) references rule_test.clients not valid;
alter table rule_test.visits validate constraint fk;
