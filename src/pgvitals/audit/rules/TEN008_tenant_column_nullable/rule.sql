-- title: Tenant column that may be null
-- severity: P1
-- why: A row without a tenant belongs to nobody: no policy shows it, no export and no deletion of a tenant takes it
--   along, and a comparison with null is never true. Tables named in tenant.optional_in may have such rows.
-- remediation: Give each row its tenant, then make the column NOT NULL.
-- hipaa: 164.312(a)(1)
-- subject: tenant columns
-- promise: each is NOT NULL, but where the policy lets rows have no tenant
-- checked: select count(*) as checked,
--   'allowed in: ' || string_agg(qualified, ', ' order by qualified)
--     filter (where not tenant_is_not_null and name = any (%(optional_tenant_tables)s::text[])) as note
--   from tenant_members where tenant_quoted is not null
select
  m.tenant_qualified as object,
  'may be null' as detail,
  format('alter table %s alter column %s set not null;', m.qualified, m.tenant_quoted) as remediation
from tenant_members as m
where m.tenant_quoted is not null and not m.tenant_is_not_null
  and m.name <> all (%(optional_tenant_tables)s::text[])
