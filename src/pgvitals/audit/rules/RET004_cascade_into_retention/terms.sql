kept_references as (
  select f.qualified, f.quoted, f.table_qualified, r.name as table_name, f.referenced_qualified, f.on_delete = 'c' as is_cascade,
    pg_get_constraintdef(f.oid) as definition, t.name = %(tenant_table)s as is_of_tenant,
    coalesce(c.is_allowed, true) as is_deletable
  from retained as r
  join foreign_keys as f on f.table_oid = r.oid
  join tables as t on t.oid = f.referenced_oid
  left join app_commands as c on c.table_oid = t.oid and c.command = 'd'
)
