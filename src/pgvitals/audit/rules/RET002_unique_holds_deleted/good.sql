alter table rule_test.users drop constraint uq_users_email;
create unique index uq_users_email on rule_test.users (email) where deleted_at is null;
