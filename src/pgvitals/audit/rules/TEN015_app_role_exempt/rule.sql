-- title: Application role that no row-level security holds for
-- severity: P0
-- why: A superuser and a role with BYPASSRLS see every tenant's rows whatever the policies say; so does who is a
--   member of such a role and may become it.
-- remediation: Take the attribute, or the membership, away.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- cis: 4.3
-- subject: application roles
-- promise: row-level security holds for it
-- checked: select count(*) as checked,
--   case when count(*) = 0 then format('there is no role %I here', %(app_role)s) end as not_applicable from app_roles
select
  format('role %s', a.quoted) as object,
  concat_ws(', ', case when a.is_superuser then 'it is a superuser' end, case when a.bypasses_rls then 'it has BYPASSRLS' end,
    'it may become ' || m.names) as detail,
  case when a.is_superuser or a.bypasses_rls then format('alter role %s nosuperuser nobypassrls;', a.quoted)
    else format('revoke %s from %s;', m.names, a.quoted) end as remediation
from app_roles as a
left join lateral (
  select string_agg(quote_ident(r.rolname), ', ' order by r.rolname) as names
  from pg_catalog.pg_roles as r
  where (r.rolsuper or r.rolbypassrls) and r.oid <> a.oid and not a.is_superuser and pg_has_role(a.oid, r.oid, 'MEMBER')
) as m on true
where a.is_superuser or a.bypasses_rls or m.names is not null
