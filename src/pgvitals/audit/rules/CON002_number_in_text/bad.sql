create table rule_test.mappings (
  id uuid primary key,
  error_count varchar(50) not null default '0'
);
