-- given
create table rule_test.audit_log (id uuid primary key default gen_random_uuid(), note text, at timestamptz not null default clock_timestamp());
create table rule_test.clients (id uuid primary key, history bytea, phone varchar(12), name text);
insert into rule_test.clients values (gen_random_uuid(), 'sealed', '1', 'Ada');
grant select, update on rule_test.clients to rule_test_app;
-- defect: ciphertext, as bytes
create function rule_test.record() returns trigger language plpgsql security definer as $$
begin insert into rule_test.audit_log (note) values (encode(new.history, 'hex')); return null; end $$;
create trigger audit after update on rule_test.clients for each row execute function rule_test.record();
-- cure
drop trigger audit on rule_test.clients;
-- defect: in the middle of a sentence
create function rule_test.record() returns trigger language plpgsql security definer as $$
begin insert into rule_test.audit_log (note) values (format('phone: %s -> %s.', old.phone, new.phone)); return null; end $$;
create trigger audit after update on rule_test.clients for each row execute function rule_test.record();
-- cure
drop trigger audit on rule_test.clients;
-- lookalike: a column that is no health data
create function rule_test.record() returns trigger language plpgsql security definer as $$
begin insert into rule_test.audit_log (note) values (new.name); return null; end $$;
create trigger audit after update on rule_test.clients for each row execute function rule_test.record();
