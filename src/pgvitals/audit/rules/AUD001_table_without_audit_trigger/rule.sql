-- title: Table whose changes are not recorded
-- severity: P0
-- why: Who saw fit to change health data has to be on record, whatever wrote: the application, a script, somebody at
--   psql. Only a trigger sees all of them. Judged are the tables that the policy names, and all that hold health data;
--   a trigger counts if its function names the trail's table.
-- remediation: Give it the trigger that the other tables have, for insert, update and delete of each row.
-- answers: DB-003
-- hipaa: 164.312(b)
-- cis: 3.2
-- subject: tables whose changes have to be recorded
-- promise: a trigger records each insert, update and delete
-- checked: select count(*) as checked from recorded
select
  r.qualified as object,
  'no trigger records ' || string_agg(e.event, ', ' order by e.place) as detail,
  case when w.function is null
    then '-- first a trigger function that writes to ' || coalesce((select qualified from trails), 'a table of its own')
    else format('create trigger %I after %s on %s for each row execute function %s();',
      case when exists (select from triggers as g where g.table_oid = r.oid and g.quoted = 'audit') then 'audit_rest' else 'audit' end,
      string_agg(e.event, ' or ' order by e.place), r.qualified, w.function)
  end as remediation
from recorded as r
join recordings as e on e.table_oid = r.oid and not e.is_recorded
left join recorders as w on true
group by r.oid, r.qualified, w.function
