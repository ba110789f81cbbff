create table rule_test.documents (
  id varchar(26) primary key,
  number bigserial not null
);
