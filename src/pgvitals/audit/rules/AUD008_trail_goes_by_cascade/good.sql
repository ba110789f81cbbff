alter table rule_test.audit_log drop constraint audit_log_user_id_fkey;
alter table rule_test.audit_log add foreign key (user_id) references rule_test.users (id) on delete restrict;
