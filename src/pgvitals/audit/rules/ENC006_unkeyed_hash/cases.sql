-- defect: an index expression
create table rule_test.clients (id uuid primary key, email text);
create index on rule_test.clients (md5(lower(email)));
-- defect: a column that the application fills
create table rule_test.clients (id uuid primary key, phone bytea, phone_sha256 bytea);
-- lookalike: a keyed hash
create table rule_test.clients (id uuid primary key, email bytea, email_index bytea);
create index on rule_test.clients (email_index);
-- lookalike: a hash of something else
create table rule_test.clients (id uuid primary key, email text, document text, document_sha256 text);
create index on rule_test.clients (md5(document));
