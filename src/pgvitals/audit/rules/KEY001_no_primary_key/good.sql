alter table rule_test.vital_signs add column id uuid primary key default gen_random_uuid();
