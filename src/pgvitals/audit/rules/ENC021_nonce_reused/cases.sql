-- given
create table rule_test.clients (id int primary key, history bytea);
-- defect: equal texts, equal values
insert into rule_test.clients select n, decode(md5('text ' || n % 2) || md5('more ' || n % 2), 'hex') from generate_series(1, 10) as n;
-- cure
update rule_test.clients set history = decode(md5('nonce ' || id) || md5('text ' || id), 'hex');
-- defect: one nonce under the same version of the key
insert into rule_test.clients select n, '\x0100000001'::bytea || decode(left(md5('nonce ' || n / 2), 24) || md5('text ' || n) || md5('tag ' || n), 'hex') from generate_series(2, 5) as n;
-- cure
delete from rule_test.clients where id % 2 = 1;
-- lookalike: one format and one key, many nonces
insert into rule_test.clients select n, '\x0100000001'::bytea || decode(left(md5('nonce ' || n), 24) || md5('text') || md5('tag ' || n), 'hex') from generate_series(1, 50) as n;
