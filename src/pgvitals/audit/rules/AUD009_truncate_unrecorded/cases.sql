-- given
create table rule_test.clients (id uuid primary key);
-- defect: everybody may
grant truncate on rule_test.clients to public;
revoke all on rule_test.clients from rule_test_app;
-- defect: by a role that it is a member of
create role rule_test_batch;
grant truncate on rule_test.clients to rule_test_batch;
grant rule_test_batch to rule_test_app;
-- cure
revoke truncate on rule_test.clients from rule_test_batch;
-- lookalike: a trigger refuses it
grant truncate on rule_test.clients to rule_test_app;
create function rule_test.refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
create trigger refuse before truncate on rule_test.clients for each statement execute function rule_test.refuse();
-- lookalike: the owner may
alter table rule_test.clients owner to rule_test_owner;
