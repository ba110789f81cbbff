-- title: Tenant setting that is read for every row
-- severity: P2
-- why: A policy that calls current_setting, or a function that does, is computed for each row that it looks at. Inside
--   a scalar subquery, (select current_setting(…)), it is an init plan: computed once a statement.
-- remediation: Wrap the call in a subquery.
-- answers: DB-002; DB-007
-- hipaa: 164.312(a)(1)
-- subject: policies that ask for the tenant
-- promise: each asks once a statement
-- checked: select count(distinct policy_oid) as checked from asking
select
  a.qualified as object,
  string_agg(format('%s calls %s for every row', a.clause, a.call), ', ' order by a.clause) as detail,
  format('alter policy %s on %s', a.quoted, a.table_qualified)
    || coalesce(' using (' || max(a.wrapped) filter (where a.clause = 'USING') || ')', '')
    || coalesce(' with check (' || max(a.wrapped) filter (where a.clause = 'WITH CHECK') || ')', '') || ';' as remediation
from asking as a
where a.is_bare
group by a.policy_oid, a.qualified, a.quoted, a.table_qualified
