copied as (
  select r.ev_class as oid, d.refobjid as read_oid
  from pg_catalog.pg_class as c
  join pg_catalog.pg_rewrite as r on r.ev_class = c.oid
  join pg_catalog.pg_depend as d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid
    and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid <> r.ev_class
  where c.relkind = 'm'
  union
  select i.oid, d.refobjid
  from copied as i
  join pg_catalog.pg_rewrite as r on r.ev_class = i.read_oid
  join pg_catalog.pg_depend as d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid
    and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid <> r.ev_class
),
copies as (
  select v.oid, format('%I.%I', n.nspname, v.relname) as qualified,
    string_agg(m.qualified, ', ' order by m.qualified) as read
  from copied as c
  join pg_catalog.pg_class as v on v.oid = c.oid
  join pg_catalog.pg_namespace as n on n.oid = v.relnamespace
  join tenant_members as m on m.oid = c.read_oid
  group by v.oid, n.nspname, v.relname
)
