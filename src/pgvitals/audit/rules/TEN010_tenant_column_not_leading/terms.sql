tenant_indexes as (
  select i.*, m.tenant_quoted, m.tenant_attnum, case when i.is_partitioned then '' else 'concurrently ' end as concurrently
  from indexes as i
  join tenant_members as m on m.oid = i.table_oid and m.tenant_attnum = any (i.key_attnums)
  where i.method = 'btree' and not i.is_attached and i.is_valid
)
