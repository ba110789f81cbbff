-- title: Rows under retention that the application may delete for good
-- severity: P2
-- why: A mark for deleted rows is a habit as long as DELETE works too: one statement in a script, one ORM call, and what
--   the law wants kept is gone.
-- remediation: Take the right to delete away; what purges rows after their time has a role of its own.
-- hipaa: 164.316(b)(2)(i); 164.312(c)(1)
-- cis: 4.6
-- subject: tables under legal retention
-- promise: the application cannot delete from any
-- checked: select count(*) as checked,
--   case when not exists (select from app_roles) then format('there is no role %I here', %(app_role)s) end as not_applicable
--   from retained
select
  r.qualified as object,
  'the application may delete its rows' as detail,
  format('revoke delete on %s from public, %s;', r.qualified, a.quoted) as remediation
from retained as r
join app_roles as a on not a.is_superuser
where r.is_deletable
  and not exists (
    select from triggers as g where g.table_oid = r.oid and g.refuses and g.is_enabled and 'delete' = any (g.events))
