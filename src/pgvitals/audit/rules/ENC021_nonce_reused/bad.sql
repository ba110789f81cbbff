create table rule_test.clients (
  id int primary key,
  history bytea,
  key_version int
);
insert into rule_test.clients
select n, decode(md5('one nonce') || md5('text ' || n), 'hex'), 1 from generate_series(1, 3) as n;
