create table rule_test.tenant_keys (
  id uuid primary key,
  version int not null,
  wrapped_key bytea not null
);
