alter table rule_test.documents alter column attributes type jsonb using attributes::jsonb;
