-- title: Duplicate index
-- severity: P2
-- why: Two indexes with the same columns, order, operator classes, predicate and INCLUDE columns answer the same
--   statements; the second one only makes writes, vacuum and backups dearer.
-- remediation: Drop the one that backs no constraint; one that a foreign key relies on is not told.
-- answers: DB-007
-- subject: indexes
-- promise: no two are the same
-- checked: select count(*) as checked from indexes where not is_attached
select
  d.qualified as object,
  format('same as %s; %s', d.kept, pg_size_pretty(s.bytes)) as detail,
  case
    when d.constraint_oid is not null
      then format('alter table %s drop constraint %s;', d.table_qualified, d.constraint_quoted)
    else format('drop index %s%s;', case when d.is_partitioned then '' else 'concurrently ' end, d.qualified)
  end as remediation
from duplicates as d
join index_sizes as s on s.oid = d.oid
