-- title: Audit trail that is deleted by a cascade
-- severity: P1
-- why: With ON DELETE CASCADE the record of what happened to a row, a user or a tenant goes when that one goes: who
--   deletes a user deletes what the user did.
-- remediation: Restrict the delete, or keep the id without a foreign key.
-- answers: DB-003
-- hipaa: 164.312(b); 164.316(b)(2)(i)
-- subject: foreign keys of audit trails
-- promise: none deletes by cascade
-- checked: select count(f.oid) as checked from trails as t join foreign_keys as f on f.table_oid = t.oid
select
  f.qualified as object,
  format('rows go with those of %s', f.referenced_qualified) as detail,
  format('alter table %1$s drop constraint %2$s, add constraint %2$s %3$s;', f.table_qualified, f.quoted,
    replace(pg_get_constraintdef(f.oid), 'ON DELETE CASCADE', 'ON DELETE RESTRICT')) as remediation
from trails as t
join foreign_keys as f on f.table_oid = t.oid
where f.on_delete = 'c'
