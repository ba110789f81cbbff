statuses as (
  select c.*, t.qualified as table_qualified, t.name as table_name
  from tables as t
  join columns as c on c.table_oid = t.oid
  where not t.is_partition and c.name ~* '(^|_)status$' and c.base_type ~ '^(text|character|citext)'
)
