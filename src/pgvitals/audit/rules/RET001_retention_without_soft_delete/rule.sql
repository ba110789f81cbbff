-- title: Table under legal retention whose rows are deleted for good
-- severity: P1
-- why: What the law wants kept for years has to outlive a click. A table passes if it has a mark that a row is deleted
--   (deleted_at, archived_at, is_deleted, is_active), or if the application has no right to delete from it.
-- remediation: Add the mark, let the application set it instead of deleting, and take the right to delete away.
-- answers: DB-005
-- hipaa: 164.316(b)(2)(i)
-- subject: tables under legal retention
-- promise: each is deleted softly, or not at all
-- checked: select count(*) as checked,
--   'the application cannot delete from: ' || string_agg(r.name, ', ' order by r.name)
--     filter (where not r.has_mark and not r.is_deletable) as note
--   from retained as r
select
  r.qualified as object,
  'no column marks a deleted row, and the application may delete it' as detail,
  format('alter table %s add column deleted_at timestamptz;', r.qualified) as remediation
from retained as r
where not r.has_mark and r.is_deletable
