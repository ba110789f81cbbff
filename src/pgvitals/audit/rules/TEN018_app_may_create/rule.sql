-- title: Application role that may create objects or roles
-- severity: P2
-- why: Who may create a table or a function in the schema can put one in front of another that somebody trusts; who
--   may create roles or databases can let others in. An application reads and writes rows.
-- remediation: Take the right, or the attribute, away.
-- hipaa: 164.312(a)(1)
-- cis: 4.3
-- subject: application roles
-- promise: it may create neither objects nor roles
-- checked: select count(*) as checked,
--   case when count(*) = 0 then format('there is no role %I here', %(app_role)s) end as not_applicable from app_roles
select
  format('role %s', a.quoted) as object,
  'may create ' || concat_ws(', ',
    case when has_schema_privilege(a.oid, n.oid, 'CREATE') then format('objects in schema %I', n.nspname) end,
    case when r.rolcreaterole then 'roles' end, case when r.rolcreatedb then 'databases' end,
    case when r.rolreplication then 'replicas' end) as detail,
  concat_ws(E'\n',
    case when has_schema_privilege(a.oid, n.oid, 'CREATE')
      then format('revoke create on schema %I from public, %s;', n.nspname, a.quoted) end,
    case when r.rolcreaterole or r.rolcreatedb or r.rolreplication
      then format('alter role %s nocreaterole nocreatedb noreplication;', a.quoted) end) as remediation
from app_roles as a
join pg_catalog.pg_roles as r on r.oid = a.oid
join pg_catalog.pg_namespace as n on n.nspname = %(schema)s
where not a.is_superuser
  and (has_schema_privilege(a.oid, n.oid, 'CREATE') or r.rolcreaterole or r.rolcreatedb or r.rolreplication)
