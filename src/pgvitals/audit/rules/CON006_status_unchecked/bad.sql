create table rule_test.visits (
  id uuid primary key,
  status varchar(50) not null default 'scheduled'
);
