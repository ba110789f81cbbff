-- title: Tenant table without the tenant column
-- severity: P0
-- why: A table that the policy calls a tenant table and that does not say whose its rows are cannot be isolated by
--   itself, nor exported, moved or deleted with its tenant.
-- remediation: Add the column, fill it from what the rows refer to, then make it NOT NULL; or name the table in
--   child_tables if it is reached through its parent only.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- subject: tenant tables
-- promise: each carries the tenant
-- checked: select count(*) as checked from tenant_members where kind = 'tenant'
select
  m.qualified as object,
  format('no column %I', %(tenant_column)s) as detail,
  format(E'alter table %1$s add column %2$I %3$s%4$s;\n-- fill it, then: alter table %1$s alter column %2$I set not null;',
    m.qualified, %(tenant_column)s, coalesce(r.key_type, %(tenant_type)s),
    coalesce(' references ' || r.qualified || ' (' || r.key_quoted || ')', '')) as remediation
from tenant_members as m
left join tenant_roots as r on true
where m.kind = 'tenant' and m.tenant_quoted is null
