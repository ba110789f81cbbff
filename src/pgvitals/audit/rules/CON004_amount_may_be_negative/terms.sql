amounts as (
  select c.*, t.qualified as table_qualified, t.name as table_name, t.is_partitioned
  from tables as t
  join columns as c on c.table_oid = t.oid
  where not t.is_partition and not c.is_generated and c.base_type ~ '^(smallint|integer|bigint|numeric|real|double precision)'
    and c.name ~* '(^|_)(count|quantity|qty|attempts|retries|amount|price|cost|fee|minutes|seconds|hours|duration|bytes)$'
)
