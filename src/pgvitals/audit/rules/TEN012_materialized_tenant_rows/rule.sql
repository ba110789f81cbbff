-- title: Materialized view of tenants' rows
-- severity: P0
-- why: A materialized view is a copy. It holds what its owner saw when it was refreshed, of all tenants, and
--   PostgreSQL has no row-level security for it: whoever may read it reads everything.
-- remediation: Take the application's rights on it away, and let it read through a view that asks for the tenant.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- cis: 4.7
-- subject: materialized views of tenants' tables
-- promise: the application may read none of them
-- checked: select count(*) as checked from copies
select
  c.qualified as object,
  format('copies rows of %s, and %s may read it', c.read, a.quoted) as detail,
  format('revoke all on %s from public, %s;', c.qualified, a.quoted) as remediation
from copies as c
join app_roles as a on has_any_column_privilege(a.oid, c.oid, 'SELECT') and not a.is_superuser
