numbers as (
  select c.*, t.qualified as table_qualified,
    c.name ~* '(^|_)(amount|price|cost|fee|total|weight|height)$' as is_money
  from tables as t
  join columns as c on c.table_oid = t.oid
  where not t.is_partition
    and c.name ~* '(^|_)(count|quantity|qty|attempts|retries|amount|price|cost|fee|total|minutes|seconds|hours|days|bytes|age)$'
)
