-- title: Tenant column without a foreign key
-- severity: P2
-- why: Rows of a tenant that is not there, or no longer, are seen by nobody and deleted by nobody; and a typing error
--   in a tenant's id is a new tenant.
-- remediation: Refer to the table of tenants; NOT VALID first keeps the lock short.
-- answers: DB-002
-- hipaa: 164.312(c)(1)
-- subject: tenant columns
-- promise: each refers to the table of tenants
-- checked: select count(*) as checked,
--   case when not exists (select from tenant_roots) then format('there is no table of tenants %I here', %(tenant_table)s)
--     end as not_applicable
--   from tenant_members where tenant_quoted is not null
select
  m.tenant_qualified as object,
  format('refers to no row of %s', r.qualified) as detail,
  case when t.is_partitioned
    then format('alter table %s add foreign key (%s) references %s (%s);', m.qualified, m.tenant_quoted, r.qualified, r.key_quoted)
    else format(E'alter table %1$s add constraint %2$I foreign key (%3$s) references %4$s (%5$s) not valid;\n'
      'alter table %1$s validate constraint %2$I;',
      m.qualified, left('fk_' || m.name || '_' || %(tenant_column)s, 63), m.tenant_quoted, r.qualified, r.key_quoted)
  end as remediation
from tenant_members as m
join tables as t on t.oid = m.oid
join tenant_roots as r on r.key_quoted is not null and r.oid <> m.oid and r.key_type = m.tenant_type
where m.tenant_quoted is not null
  and not exists (
    select from pg_catalog.pg_constraint as k
    where k.conrelid = m.oid and k.contype = 'f' and m.tenant_attnum = any (k.conkey))
