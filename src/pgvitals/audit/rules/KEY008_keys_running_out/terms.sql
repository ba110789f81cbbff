filled as (
  select c.qualified, c.quoted, c.base_type, t.qualified as table_qualified, format('%I.%I', n.nspname, s.relname) as sequence,
    coalesce(pg_sequence_last_value(s.oid), 0)::numeric as used,
    least(q.seqmax, case c.base_type when 'smallint' then 32767 when 'integer' then 2147483647 else q.seqmax end)::numeric as most
  from tables as t
  join columns as c on c.table_oid = t.oid and c.base_type in ('smallint', 'integer', 'bigint')
  join pg_catalog.pg_depend as d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = t.oid
    and d.refobjsubid = c.attnum and d.classid = 'pg_catalog.pg_class'::regclass and d.deptype in ('a', 'i')
  join pg_catalog.pg_class as s on s.oid = d.objid and s.relkind = 'S'
  join pg_catalog.pg_namespace as n on n.oid = s.relnamespace
  join pg_catalog.pg_sequence as q on q.seqrelid = s.oid
  where not t.is_partition
)
