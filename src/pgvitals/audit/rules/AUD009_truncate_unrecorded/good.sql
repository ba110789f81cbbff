revoke truncate on rule_test.clients from rule_test_app;
create function rule_test.record_change() returns trigger language plpgsql as 'begin return null; end';
create trigger record_change after insert or update or delete on rule_test.clients
  for each row execute function rule_test.record_change();
