create table rule_test.clients (
  id uuid primary key,
  email text not null
);
create index ix_clients_email on rule_test.clients (email);
-- as a concurrent build leaves it that fails half-way
update pg_catalog.pg_index set indisvalid = false where indexrelid = 'rule_test.ix_clients_email'::regclass;
