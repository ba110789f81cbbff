-- title: Table of tenants that everybody reads
-- severity: P2
-- why: The table of tenants says who the customers are, and how to reach them. Where the application may read all of
--   it, every tenant may; and it may change or delete another's row.
-- remediation: Enable and force row-level security: a tenant sees itself.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- cis: 4.7
-- subject: tables of tenants
-- promise: row-level security is on
-- checked: select count(*) as checked from tenant_roots
select
  r.qualified as object,
  'row-level security is off, and the application may ' || lower(string_agg(c.privilege, ', ' order by c.privilege)) as detail,
  coalesce('create policy tenant_isolation on ' || r.qualified || ' using (' || t.condition || E');\n', '')
    || format('alter table %s enable row level security, force row level security;', r.qualified) as remediation
from tenant_roots as r
join app_commands as c on c.table_oid = r.oid and c.is_allowed
left join tenant_conditions as t on t.table_oid = r.oid
where not r.has_rls
group by r.qualified, t.condition
