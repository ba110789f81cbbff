create table rule_test.visits (
  id uuid primary key,
  minutes int
);
alter table rule_test.visits add constraint ck_minutes check (minutes > 0) not valid;
