create table rule_test.clients (
  id uuid primary key,
  history bytea,
  key_version int
);
insert into rule_test.clients select gen_random_uuid(), 'asthma, since childhood', 1 from generate_series(1, 3);
