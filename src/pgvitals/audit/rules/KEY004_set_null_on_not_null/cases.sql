-- given
create table rule_test.users (tenant_id uuid, id uuid, primary key (tenant_id, id));
-- defect: the tenant would be emptied too
create table rule_test.notes (id uuid primary key, tenant_id uuid not null, user_id uuid,
  foreign key (tenant_id, user_id) references rule_test.users on delete set null);
-- defect: when the key changes
create table rule_test.notes (id uuid primary key, tenant_id uuid, user_id uuid not null,
  foreign key (tenant_id, user_id) references rule_test.users on update set null);
-- lookalike: a cascade
create table rule_test.notes (id uuid primary key, tenant_id uuid not null, user_id uuid not null,
  foreign key (tenant_id, user_id) references rule_test.users on delete cascade);
