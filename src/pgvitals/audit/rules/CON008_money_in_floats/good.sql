alter table rule_test.invoices alter column total type numeric(14, 2);
