drop trigger audit on rule_test.clients;
create trigger audit after insert or update or delete on rule_test.clients
  for each row execute function rule_test.record_change();
