used as (
  select t.oid, t.qualified
  from tables as t
  join app_commands as c on c.table_oid = t.oid and c.is_allowed
  join app_roles as a on not a.is_superuser and not a.bypasses_rls
  where t.has_rls and not t.is_partition
  group by t.oid, t.qualified
)
