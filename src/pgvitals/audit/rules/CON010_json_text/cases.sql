-- defect: a default
create table rule_test.documents (id uuid primary key, attributes json not null default '{}');
-- lookalike: jsonb
create table rule_test.documents (id uuid primary key, attributes jsonb, note text);
