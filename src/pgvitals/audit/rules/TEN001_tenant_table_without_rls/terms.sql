-- Partitions that the application may go to directly, past the row-level security of their table.
open_partitions as (
  select t.qualified, m.qualified as root_qualified
  from tables as t
  join tenant_members as m on m.oid = pg_partition_root(t.oid) and m.kind = 'tenant' and m.has_rls
  join app_commands as c on c.table_oid = t.oid and c.is_allowed
  where t.is_partition and not t.has_rls
  group by t.oid, t.qualified, m.qualified
)
