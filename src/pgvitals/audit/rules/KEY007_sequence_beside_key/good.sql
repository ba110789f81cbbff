alter table rule_test.documents drop column number;
