sequence_columns as (
  select c.*
  from columns as c
  where c.is_identity or exists (
    select from pg_catalog.pg_attrdef as d
    join pg_catalog.pg_depend as p on p.classid = 'pg_catalog.pg_attrdef'::regclass and p.objid = d.oid
      and p.refclassid = 'pg_catalog.pg_class'::regclass
    join pg_catalog.pg_class as s on s.oid = p.refobjid and s.relkind = 'S'
    where d.adrelid = c.table_oid and d.adnum = c.attnum)
)
