seen as (
  select m.table_oid, t.qualified, t.has_rls, m.quoted as mark_quoted
  from marks as m
  join tables as t on t.oid = m.table_oid
  left join app_commands as c on c.table_oid = t.oid and c.command = 'r'
  where coalesce(c.is_allowed, true) and m.is_moment
)
