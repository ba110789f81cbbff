-- What each view reads, one step at a time.
view_reads as (
  select distinct r.ev_class as view_oid, d.refobjid as read_oid
  from pg_catalog.pg_rewrite as r
  join pg_catalog.pg_depend as d on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid
    and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid <> r.ev_class
),
-- Views that the application may read, itself or through another view.
reached as (
  select c.oid
  from pg_catalog.pg_class as c
  join app_roles as a on has_any_column_privilege(a.oid, c.oid, 'SELECT')
  where c.relkind = 'v' and c.relnamespace <> 'pg_catalog'::regnamespace
  union
  select r.read_oid
  from reached
  join view_reads as r on r.view_oid = reached.oid
  join pg_catalog.pg_class as c on c.oid = r.read_oid and c.relkind = 'v'
),
readable_views as (
  select v.oid, format('%I.%I', n.nspname, v.relname) as qualified, m.qualified as table_qualified,
    quote_ident(o.rolname) as owner_quoted, o.rolsuper or o.rolbypassrls as is_exempt_role,
    pg_has_role(o.oid, m.owner_oid, 'USAGE') and not m.forces_rls as is_exempt_owner
  from reached
  join pg_catalog.pg_class as v on v.oid = reached.oid
    and not coalesce(v.reloptions && '{security_invoker=true,security_invoker=on,security_invoker=yes,security_invoker=1}', false)
  join pg_catalog.pg_namespace as n on n.oid = v.relnamespace
  join pg_catalog.pg_roles as o on o.oid = v.relowner
  join view_reads as r on r.view_oid = v.oid
  join tenant_members as m on m.oid = r.read_oid and m.has_rls
)
