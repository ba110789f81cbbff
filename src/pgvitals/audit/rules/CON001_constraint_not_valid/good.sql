alter table rule_test.visits validate constraint ck_minutes;
