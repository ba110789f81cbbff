-- title: Audit trail that the application may change
-- severity: P0
-- why: What can be changed or deleted by who is recorded is no evidence. Told are the rights on the trail's table that
--   no trigger refuses; TRUNCATE fires no trigger of rows, and needs one of its own.
-- remediation: Take the rights away; the application adds rows, and reads its own.
-- answers: DB-003
-- hipaa: 164.312(b); 164.312(c)(1)
-- cis: 4.6
-- subject: audit trails
-- promise: the application can neither change nor delete from it
-- checked: select count(*) as checked,
--   case when not exists (select from app_roles) then format('there is no role %I here', %(app_role)s) end as not_applicable
--   from trails
select
  t.qualified as object,
  format('%s may %s, and no trigger refuses it', a.quoted, string_agg(e.event, ', ' order by e.event)) as detail,
  format('revoke %s on %s from public, %s;', string_agg(e.event, ', ' order by e.event), t.qualified, a.quoted) as remediation
from trails as t
join app_roles as a on not a.is_superuser and a.oid <> t.owner_oid
cross join (values ('update'), ('delete'), ('truncate')) as e (event)
where (has_table_privilege(a.oid, t.oid, e.event) or (e.event = 'update' and has_any_column_privilege(a.oid, t.oid, 'UPDATE')))
  and not exists (
    select from triggers as g where g.table_oid = t.oid and g.refuses and g.is_enabled and e.event = any (g.events))
group by t.qualified, a.quoted
