-- title: Audit trigger that is switched off
-- severity: P0
-- why: A trigger that somebody disabled for a bulk load, and forgot, is there in every listing and records nothing. One
--   enabled for replicas only does not fire for the application either.
-- remediation: Enable it; find out since when it was off, and what was changed meanwhile.
-- answers: DB-003
-- hipaa: 164.312(b)
-- cis: 3.2
-- subject: triggers that write the trail
-- promise: each fires
-- checked: select count(*) as checked from triggers where writes_trail
select
  g.qualified as object,
  'it does not fire for what the application does' as detail,
  format('alter table %s enable trigger %s;', g.table_qualified, g.quoted) as remediation
from triggers as g
where g.writes_trail and not g.is_enabled
