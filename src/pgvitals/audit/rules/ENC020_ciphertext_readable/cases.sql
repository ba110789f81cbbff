-- given
create table rule_test.clients (id int primary key, history bytea, phone_encrypted text);
-- defect: base64 is no cipher
insert into rule_test.clients select n, null, encode(convert_to('+1 555 0100 ' || n || ' (home)', 'UTF8'), 'base64') from generate_series(1, 3) as n;
-- cure
update rule_test.clients set phone_encrypted = encode(decode(md5(id::text) || md5(id::text || 'more'), 'hex'), 'base64');
-- defect: one value of many
insert into rule_test.clients select n, case when n = 7 then 'not sealed, this one' else decode(md5(n::text) || md5(n::text || 'x'), 'hex') end from generate_series(1, 40) as n;
-- cure
delete from rule_test.clients where id = 7;
-- defect: bytes that are shifted by one
insert into rule_test.clients select n, (select string_agg(set_byte('\x00'::bytea, 0, 160 + ascii(c) % 26), ''::bytea) from regexp_split_to_table(n || ' is whose diagnosis', '') as c) from generate_series(1, 60) as n;
-- cure
update rule_test.clients set history = decode(md5(id::text) || md5(id::text || 'more'), 'hex');
-- lookalike: chance, behind a header
insert into rule_test.clients select n, '\x0100000001'::bytea || decode(md5(n::text) || md5(n::text || 'x'), 'hex') from generate_series(1, 100) as n;
-- lookalike: no value
insert into rule_test.clients values (1);
