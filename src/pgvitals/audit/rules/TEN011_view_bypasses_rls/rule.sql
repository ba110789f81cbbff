-- title: View that looks past row-level security
-- severity: P0
-- why: A view reads with the rights of its owner. If the owner is exempt from the row-level security of the tables
--   beneath (a superuser, BYPASSRLS, or the tables' own owner where it is not forced), whoever may read the view reads
--   all tenants. security_invoker (PostgreSQL 15) makes it read with the rights of who asks.
-- remediation: Make it a security_invoker view; before PostgreSQL 15, give it an owner that is not exempt.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- cis: 4.7
-- subject: views of tenants' tables that the application may read
-- promise: each obeys their row-level security
-- checked: select count(distinct oid) as checked from readable_views
select
  v.qualified as object,
  format('reads %s with the rights of %s, %s', string_agg(v.table_qualified, ', ' order by v.table_qualified),
    v.owner_quoted, case when bool_or(v.is_exempt_role) then 'which no row-level security holds for'
      else 'which owns it, and it is not forced' end) as detail,
  case when current_setting('server_version_num')::int >= 150000
    then format('alter view %s set (security_invoker = true);', v.qualified)
    else format('revoke all on %s from public, %s;', v.qualified, (select quoted from app_roles)) end as remediation
from readable_views as v
where v.is_exempt_role or v.is_exempt_owner
group by v.oid, v.qualified, v.owner_quoted
