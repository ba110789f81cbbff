-- defect: under its old name
create table rule_test.clients (id uuid primary key, phone varchar(50), phone_encrypted bytea);
-- defect: a date
create table rule_test.clients (id uuid primary key, born_on_sealed bytea, plain_born_on date);
-- lookalike: the ciphertext alone
create table rule_test.clients (id uuid primary key, phone_encrypted bytea, phone_index bytea);
-- lookalike: what is known of the value
create table rule_test.clients (id uuid primary key, email bytea, email_verified_at timestamptz, email_count int);
