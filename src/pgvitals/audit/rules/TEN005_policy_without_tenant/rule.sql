-- title: Policy that does not ask for the tenant
-- severity: P0
-- why: A permissive policy that never reads the tenant's setting, neither itself nor through a function that it calls,
--   shows rows of any tenant that fit its other condition. A subquery on another isolated table counts as asking: that
--   table's own policies hold inside of it.
-- remediation: Put the tenant into the condition; or make the policy restrictive, if it was meant to narrow another.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- cis: 4.7
-- subject: permissive policies of tenants' tables that count for the application
-- promise: each asks for the tenant
-- checked: select count(distinct p.policy_oid) as checked from app_conditions as p
--   join tenant_members as m on m.oid = p.table_oid where p.is_permissive
select
  p.qualified as object,
  string_agg(format('%s asks for no tenant', p.clause), ', ' order by p.clause) as detail,
  format('alter policy %s on %s', p.quoted, p.table_qualified)
    || coalesce(' using (' || c.condition || ' and ' || max(p.condition) filter (where p.clause = 'USING') || ')', '')
    || coalesce(' with check (' || c.condition || ' and ' || max(p.condition) filter (where p.clause = 'WITH CHECK') || ')', '')
    || ';' as remediation
from app_conditions as p
join tenant_members as m on m.oid = p.table_oid
left join tenant_conditions as c on c.table_oid = p.table_oid
where p.is_permissive and not p.reads_tenant and not p.is_always_true
  and not exists (
    select from tenant_members as other
    where other.oid <> p.table_oid and other.has_rls and position('FROM ' || other.qualified in p.condition) > 0)
group by p.policy_oid, p.qualified, p.quoted, p.table_qualified, c.condition
