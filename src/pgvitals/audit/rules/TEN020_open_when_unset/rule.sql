-- title: Policy that opens when nobody has said who asks
-- severity: P0
-- why: A condition that holds while the setting is unset or empty shows every tenant's rows to each connection that
--   forgets to set it: a script, a report, the first statement after a pool's reset.
-- remediation: Let a missing setting show nothing; what has to see all tenants gets a role and a policy of its own.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- cis: 4.7
-- subject: permissive policies that ask for the tenant
-- promise: none opens when the setting is unset
-- checked: select count(distinct policy_oid) as checked from told where is_permissive
select
  t.qualified as object,
  string_agg(format('%s lets rows pass while the setting is %s', t.clause, t.hole), ', ' order by t.clause) as detail,
  format('alter policy %s on %s', t.quoted, t.table_qualified)
    || case when bool_or(t.clause = 'USING') then coalesce(' using (' || max(c.condition) || ')', '') else '' end
    || case when bool_or(t.clause = 'WITH CHECK') then coalesce(' with check (' || max(c.condition) || ')', '') else '' end
    || ';' as remediation
from told as t
left join tenant_conditions as c on c.table_oid = t.table_oid
where t.is_permissive and t.hole is not null
group by t.policy_oid, t.qualified, t.quoted, t.table_qualified
