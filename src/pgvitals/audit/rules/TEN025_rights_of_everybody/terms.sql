granted as (
  select format('%I.%I', n.nspname, c.relname) as qualified, case c.relkind when 'S' then 'sequence' else 'table' end as kind,
    (select string_agg(distinct lower(x.privilege_type), ', ') from (
      select a.privilege_type from aclexplode(c.relacl) as a where a.grantee = 0
      union all
      select a.privilege_type from pg_catalog.pg_attribute as k cross join aclexplode(k.attacl) as a
      where k.attrelid = c.oid and k.attacl is not null and a.grantee = 0) as x) as privileges
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = %(schema)s and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    and not exists (
      select from pg_catalog.pg_depend as d
      where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
)
