-- defect: a serial of 16 bits
create table rule_test.visits (id smallserial primary key);
select setval('rule_test.visits_id_seq', 20000);
-- defect: a serial beside the key
create table rule_test.visits (id uuid primary key, number serial);
select setval('rule_test.visits_number_seq', 2147483647);
-- lookalike: hardly used
create table rule_test.visits (id serial primary key);
select setval('rule_test.visits_id_seq', 1000000);
-- lookalike: 64 bits
create table rule_test.visits (id bigserial primary key);
select setval('rule_test.visits_id_seq', 3000000000);
