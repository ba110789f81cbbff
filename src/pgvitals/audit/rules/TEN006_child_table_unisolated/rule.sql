-- title: Child of a tenant table, unisolated
-- severity: P0
-- why: A table without a tenant of its own (contacts of a patient, members of a care team) is as much the tenant's as
--   the rows that it refers to; without row-level security everybody reads it. Children are the tables that the
--   policy names, and those that refer to a tenant table and are neither shared nor carry the tenant.
-- remediation: Isolate it through the row that it belongs to, or name it in shared_tables if it is nobody's.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- cis: 4.7
-- subject: children of tenant tables
-- promise: row-level security is on for each
-- checked: select count(*) as checked from tenant_members where kind = 'child'
select
  m.qualified as object,
  format('row-level security is off; its rows belong to those of %s', p.qualified) as detail,
  coalesce('create policy tenant_isolation on ' || m.qualified || ' using (' || c.condition || E');\n', '')
    || format('alter table %s enable row level security, force row level security;', m.qualified) as remediation
from tenant_members as m
join tables as p on p.oid = m.parent_oid
left join tenant_conditions as c on c.table_oid = m.oid
  and not exists (select from policies as already where already.table_oid = m.oid)
where m.kind = 'child' and not m.has_rls
