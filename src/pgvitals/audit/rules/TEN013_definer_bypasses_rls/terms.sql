callable as (
  select f.*, quote_ident(o.rolname) as owner_quoted, o.rolsuper or o.rolbypassrls as is_exempt_role,
    exists (
      select from tenant_members as m
      where m.has_rls and not m.forces_rls and pg_has_role(o.oid, m.owner_oid, 'USAGE')) as owns_unforced
  from functions as f
  join pg_catalog.pg_roles as o on o.oid = f.owner_oid
  join app_roles as a on has_function_privilege(a.oid, f.oid, 'EXECUTE')
  where f.is_security_definer and not f.is_trigger
)
