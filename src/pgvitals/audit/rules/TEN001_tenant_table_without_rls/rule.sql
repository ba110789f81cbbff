-- title: Tenant table without row-level security
-- severity: P0
-- why: Whatever the application forgets to ask, the database answers: one query without its WHERE shows every tenant's
--   rows. Judged are the tables that the policy calls tenant tables, and a partition of one where the application may
--   go past its table: row-level security of a table is not that of its partitions when these are named directly.
-- remediation: Enable and force row-level security, with a policy that compares the tenant with the setting.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- cis: 4.7
-- subject: tenant tables
-- promise: row-level security is on for each
-- checked: select count(*) as checked, (select 'open partitions: ' || nullif(count(*), 0) from open_partitions) as note
--   from tenant_members where kind = 'tenant'
select
  m.qualified as object,
  'row-level security is off' as detail,
  coalesce('create policy tenant_isolation on ' || m.qualified || ' using (' || c.condition || E');\n', '')
    || format('alter table %s enable row level security, force row level security;', m.qualified) as remediation
from tenant_members as m
left join tenant_conditions as c on c.table_oid = m.oid
  and not exists (select from policies as p where p.table_oid = m.oid)
where m.kind = 'tenant' and not m.has_rls
union all
select
  p.qualified,
  format('a partition of %s, row-level security is off, and the application may name it', p.root_qualified),
  format('alter table %s enable row level security, force row level security;', p.qualified)
from open_partitions as p
