-- title: Application role that may become the owner
-- severity: P0
-- why: A member of the owner has the owner's rights, at once or after SET ROLE: it can switch row-level security off
--   and drop what stands in its way.
-- remediation: Take the membership away; migrations log in as somebody else.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- cis: 4.3
-- subject: owners of tables
-- promise: the application is a member of none
-- checked: select count(distinct owner_oid) as checked,
--   case when not exists (select from app_roles) then format('there is no role %I here', %(app_role)s) end as not_applicable
--   from tables
select
  format('role %s', a.quoted) as object,
  format('a member of %s, which owns %s tables', quote_ident(o.rolname), count(*)) as detail,
  format('revoke %I from %s;', o.rolname, a.quoted) as remediation
from app_roles as a
join tables as t on t.owner_oid <> a.oid and pg_has_role(a.oid, t.owner_oid, 'MEMBER')
join pg_catalog.pg_roles as o on o.oid = t.owner_oid
where not a.is_superuser
group by a.quoted, o.rolname
