alter table rule_test.payments alter column invoice_number type bigint;
