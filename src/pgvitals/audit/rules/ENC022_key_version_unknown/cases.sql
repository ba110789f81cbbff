-- given
create table rule_test.tenant_keys (id int primary key, tenant_id text, version int not null, wrapped_key bytea not null);
insert into rule_test.tenant_keys values (1, 'north', 1, '\x00'), (2, 'north', 2, '\x00'), (3, 'south', 1, '\x00');
create table rule_test.clients (id int primary key, tenant_id text, history bytea);
-- defect: another tenant has that version
insert into rule_test.clients select n, 'south', '\x0100000002'::bytea || decode(left(md5('nonce ' || n), 24) || md5('text ' || n), 'hex') from generate_series(1, 3) as n;
-- cure
update rule_test.clients set tenant_id = 'north';
-- lookalike: two versions, both there
insert into rule_test.clients select n, 'north', '\x01000000'::bytea || decode(lpad(to_hex(1 + n % 2), 2, '0') || left(md5('nonce ' || n), 24) || md5('text ' || n), 'hex') from generate_series(1, 9) as n;
-- lookalike: values without the header
insert into rule_test.clients select n, 'east', decode('ff' || md5('nonce ' || n) || md5('text ' || n), 'hex') from generate_series(1, 9) as n;
