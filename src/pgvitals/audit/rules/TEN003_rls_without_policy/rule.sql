-- title: Row-level security without a policy
-- severity: P2
-- why: A table with row-level security and no permissive policy that counts for the application shows it nothing and
--   takes nothing, in silence. Sooner or later somebody switches it off to make things work.
-- remediation: Give it the policy that was meant, or take the application's rights away if it is meant to be closed.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- cis: 4.7
-- subject: tables with row-level security that the application may use
-- promise: each has a policy for it
-- checked: select count(*) as checked from used
select
  t.qualified as object,
  case when p.oid is null then 'no policy at all'
    else 'policies, but none that lets the application see or write a row' end as detail,
  case when c.condition is not null
    then format('create policy %s on %s using (%s);',
      case when exists (select from policies as p where p.table_oid = t.oid and p.quoted = 'tenant_isolation')
        then 'tenant_isolation_of_application' else 'tenant_isolation' end, t.qualified, c.condition)
    else format('revoke all on %s from public, %s;', t.qualified, (select quoted from app_roles)) end as remediation
from used as t
left join tenant_conditions as c on c.table_oid = t.oid
left join lateral (select p.oid from policies as p where p.table_oid = t.oid limit 1) as p on true
where not exists (select from app_policies as a where a.table_oid = t.oid and a.is_permissive)
