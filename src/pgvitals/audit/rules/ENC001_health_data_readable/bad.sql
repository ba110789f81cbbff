create table rule_test.clients (
  id uuid primary key,
  medical_history text
);
