defaults as (
  select c.qualified as object, pg_get_expr(d.adbin, d.adrelid) as definition
  from columns as c
  join pg_catalog.pg_attrdef as d on d.adrelid = c.table_oid and d.adnum = c.attnum
)
