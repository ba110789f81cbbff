create table rule_test.tenant_keys (
  id int primary key,
  version int not null,
  wrapped_key bytea not null
);
insert into rule_test.tenant_keys values (1, 1, '\x00');
create table rule_test.clients (id int primary key, history bytea);
insert into rule_test.clients
select n, '\x0100000002'::bytea || decode(left(md5('nonce ' || n), 24) || md5('text ' || n), 'hex')
from generate_series(1, 3) as n;
