-- title: Reference without a foreign key
-- severity: P2
-- why: A column that is named like a reference and has the type of that table's primary key, but no foreign key,
--   can point at nothing. So are read: client_id where there is a table clients, created_by_user_id where there
--   is a table users, parent_id, and parent_token_id in auth_tokens; but not external_user_id, nor resource_id
--   beside resource_type, which may point at several tables.
-- remediation: Clean up what points at nothing, then add the foreign key with the ON DELETE that the application
--   means, and an index for it. NOT VALID first keeps the lock short.
-- answers: DB-007
-- hipaa: 164.312(c)(1)
-- subject: columns named like a reference
-- promise: each has a foreign key
-- checked: select count(*) as checked from references_by_name
select
  c.qualified as object,
  format('%s, no foreign key; by name and type it refers to %s (%s)', c.type, r.target, r.target_column) as detail,
  -- A partitioned table takes no foreign key that is NOT VALID.
  case when t.is_partitioned
    then format('alter table %s add foreign key (%s) references %s (%s);', t.qualified, c.quoted, r.target, r.target_column)
    else format(E'alter table %1$s add constraint %2$I foreign key (%3$s) references %4$s (%5$s) not valid;\n'
      'alter table %1$s validate constraint %2$I;',
      t.qualified, left(t.name || '_' || c.name, 58) || '_fkey', c.quoted, r.target, r.target_column)
  end as remediation
from references_by_name as r
join tables as t on t.oid = r.table_oid
join columns as c on c.table_oid = r.table_oid and c.attnum = r.attnum
where not exists (
  select from pg_catalog.pg_constraint as k
  where k.conrelid = r.table_oid and k.contype = 'f' and r.attnum = any (k.conkey))
