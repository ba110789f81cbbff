-- title: Row-level security that its owner is exempt from
-- severity: P1
-- why: Without FORCE the owner of a table sees every row: a migration, a script or a pool that runs as the owner, and
--   every view and SECURITY DEFINER function that the owner has made. Also told where the owner cannot log in now.
-- remediation: Force it; what has to see all tenants gets a role of its own, with a policy that says so.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- cis: 4.7
-- subject: tables with row-level security
-- promise: it is forced on each
-- checked: select count(*) as checked from tables where has_rls and not is_partition
select
  t.qualified as object,
  format('not forced; its owner %I %s', r.rolname,
    case when r.rolcanlogin then 'can log in' else 'cannot log in, but owns what runs with its rights' end) as detail,
  format('alter table %s force row level security;', t.qualified) as remediation
from tables as t
join pg_catalog.pg_roles as r on r.oid = t.owner_oid
where t.has_rls and not t.forces_rls and not t.is_partition
