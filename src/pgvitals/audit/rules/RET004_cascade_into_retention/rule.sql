-- title: Delete that cascades into rows under retention
-- severity: P1
-- why: ON DELETE CASCADE deletes for good, whatever marks deleted rows, and needs no right on the table that it
--   empties: one delete of a client takes all their records along. Told where the application may delete the row that
--   is referred to; that a whole tenant goes, at the end of its contract, is only noted.
-- remediation: Restrict the delete, or take the right to delete the other row away.
-- hipaa: 164.316(b)(2)(i)
-- subject: foreign keys of tables under legal retention
-- promise: no delete of the application cascades into them
-- checked: select count(*) as checked,
--   'with their tenant go: ' || string_agg(table_name, ', ' order by table_name) filter (where is_cascade and is_of_tenant and is_deletable) as note
--   from kept_references
select
  k.qualified as object,
  format('deleting a row of %s deletes those of %s', k.referenced_qualified, k.table_qualified) as detail,
  format('alter table %1$s drop constraint %2$s, add constraint %2$s %3$s;', k.table_qualified, k.quoted,
    replace(k.definition, 'ON DELETE CASCADE', 'ON DELETE RESTRICT')) as remediation
from kept_references as k
where k.is_cascade and k.is_deletable and not k.is_of_tenant
