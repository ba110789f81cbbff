-- title: Tenant table without the tenant column
-- severity: P0
-- why: A table that the policy calls a tenant table and that does not say whose its rows are cannot be isolated by
--   itself, nor exported, moved or deleted with its tenant.
-- remediation: Add the column, fill it from what the rows refer to (in batches, where there are many), then make it
--   NOT NULL, with the tenant who asks as its default until the application names it; or name the table in
--   child_tables if it is reached through its parent only.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- subject: tenant tables
-- promise: each carries the tenant
-- checked: select count(*) as checked from tenant_members where kind = 'tenant'
select
  m.qualified as object,
  format('no column %I', %(tenant_column)s) as detail,
  concat_ws(E'\n',
    format('alter table %s add column %I %s%s%s;', m.qualified, %(tenant_column)s, w.type,
      coalesce(' default (' || w.expression || ')', ''),
      ' references ' || r.qualified || ' (' || r.key_quoted || ')'),
    coalesce(p.filling, '-- fill it, then:'),
    format('%salter table %s alter column %I set not null;', case when p.filling is null then '-- ' end,
      m.qualified, %(tenant_column)s)) as remediation
from tenant_members as m
left join tenant_roots as r on true
left join lateral (
  select coalesce(r.key_type, %(tenant_type)s) as type,
    (select c.expression from current_tenants as c where c.type = coalesce(r.key_type, %(tenant_type)s)) as expression
) as w on true
-- A row that it refers to, and that says whose it is; one that is always there, if there is one.
left join lateral (
  select format('update %s as child set %I = parent.%s from %s as parent where %s;', m.qualified, %(tenant_column)s,
      o.tenant_quoted, o.qualified, string_agg(format('parent.%s = child.%s', u.far, u.near), ' and ')) as filling,
    bool_and(c.is_not_null) as is_always_there
  from foreign_keys as f
  join tenant_members as o on o.oid = f.referenced_oid and o.oid <> m.oid and o.tenant_quoted is not null
  cross join lateral unnest(f.column_names, f.referenced_column_names) as u (near, far)
  join columns as c on c.table_oid = m.oid and c.quoted = u.near
  where f.table_oid = m.oid
  group by f.oid, o.tenant_quoted, o.qualified
  order by is_always_there desc, f.oid
  limit 1
) as p on true
where m.kind = 'tenant' and m.tenant_quoted is null
