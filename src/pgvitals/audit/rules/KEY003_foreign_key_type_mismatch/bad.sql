create table rule_test.invoices (id uuid primary key, number bigint not null unique);
create table rule_test.payments (
  id uuid primary key,
  invoice_number int not null references rule_test.invoices (number)
);
create index ix_payments_invoice_number on rule_test.payments (invoice_number);
