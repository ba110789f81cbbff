relations as (
  select format('%I.%I', n.nspname, c.relname) as qualified, c.relowner as owner_oid,
    case c.relkind when 'v' then 'view' when 'm' then 'materialized view' else 'table' end as kind
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = %(schema)s and c.relkind in ('r', 'p', 'v', 'm')
)
