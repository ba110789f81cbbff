-- title: Policy that holds for every row
-- severity: P0
-- why: A permissive policy that is always true makes all others of its table meaningless: permissive policies are
--   joined by OR. Told where the condition as written cannot fail: true, a value compared with itself, an OR with
--   true, or a NOT NULL column that IS NOT NULL. USING decides what is seen, WITH CHECK what may be written.
-- remediation: Put the tenant into the condition, or drop the policy.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- cis: 4.7
-- subject: permissive policies that count for the application
-- promise: none holds for every row
-- checked: select count(distinct policy_oid) as checked from app_conditions where is_permissive
select
  p.qualified as object,
  string_agg(format('%s is always true', p.clause), ', ' order by p.clause) as detail,
  case when c.condition is null then format('drop policy %s on %s;', p.quoted, p.table_qualified)
    else format('alter policy %s on %s', p.quoted, p.table_qualified)
      || case when p.command <> 'a' then format(' using (%s)', c.condition) else '' end
      || case when p.command in ('*', 'a', 'w') then format(' with check (%s)', c.condition) else '' end || ';'
  end as remediation
from app_conditions as p
left join tenant_conditions as c on c.table_oid = p.table_oid
where p.is_permissive and p.is_always_true
group by p.policy_oid, p.qualified, p.quoted, p.table_qualified, p.command, c.condition
