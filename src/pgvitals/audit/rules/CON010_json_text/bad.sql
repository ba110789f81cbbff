create table rule_test.documents (
  id uuid primary key,
  attributes json
);
