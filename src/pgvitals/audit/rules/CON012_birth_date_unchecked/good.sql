alter table rule_test.patients add check (date_of_birth between '1900-01-01' and '2100-01-01');
