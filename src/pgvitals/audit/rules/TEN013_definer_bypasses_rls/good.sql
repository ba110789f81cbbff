alter function rule_test.count_clients() security invoker;
