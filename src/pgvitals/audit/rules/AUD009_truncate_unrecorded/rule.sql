-- title: Recorded table that the application may truncate
-- severity: P1
-- why: TRUNCATE fires no trigger of rows: all rows are gone and the trail says nothing. Row-level security does not
--   stop it either: it takes the rows of all tenants.
-- remediation: Take the right away, or refuse it by a trigger.
-- answers: DB-003
-- hipaa: 164.312(b); 164.312(c)(1)
-- cis: 4.6
-- subject: tables whose changes have to be recorded
-- promise: the application can truncate none
-- checked: select count(*) as checked,
--   case when not exists (select from app_roles) then format('there is no role %I here', %(app_role)s) end as not_applicable
--   from recorded
select
  r.qualified as object,
  format('%s may truncate it, and no trigger notices', a.quoted) as detail,
  format('revoke truncate on %s from public, %s;', r.qualified, a.quoted) as remediation
from recorded as r
join app_roles as a on has_table_privilege(a.oid, r.oid, 'TRUNCATE') and not a.is_superuser
where not exists (
  select from triggers as g where g.table_oid = r.oid and g.is_enabled and 'truncate' = any (g.events))
