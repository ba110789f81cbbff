-- title: Audit trigger that leaves changes out
-- severity: P1
-- why: A trigger with a WHEN condition, or for updates of some columns only, records nothing of the others: a row that
--   is deleted softly, or made another tenant's, leaves no trace. Comparing the whole row with its old self is fine.
-- remediation: Make it fire for every change; let its function say what is worth how many words.
-- answers: DB-003
-- hipaa: 164.312(b)
-- subject: tables whose changes are recorded
-- promise: no change of them is left out
-- checked: select count(distinct table_oid) as checked from recordings where is_recorded
select
  g.qualified as object,
  'fires only ' || concat_ws(' and ',
    case when g.is_of_columns then 'for updates of some columns' end,
    case when g.is_conditional then 'under a condition' end) as detail,
  format(E'drop trigger %s on %s;\n%s;', g.quoted, g.table_qualified,
    regexp_replace(
      regexp_replace(g.definition, 'UPDATE OF .+? (OR TRUNCATE )?ON ', 'UPDATE \1ON '),
      ' WHEN \(.*\) EXECUTE ', ' EXECUTE ')) as remediation
from triggers as g
where g.writes_trail and (g.is_conditional or g.is_of_columns)
  and exists (
    select from recordings as e
    where e.table_oid = g.table_oid and e.event = any (g.events) and not e.is_whole)
