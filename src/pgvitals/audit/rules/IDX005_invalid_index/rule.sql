-- title: Invalid index
-- severity: P1
-- why: A failed CREATE INDEX CONCURRENTLY leaves an index that every write maintains and no statement may use; if
--   it is unique, it looks as if it enforced something. One that is being built right now is not told.
-- remediation: Rebuild it, after removing the rows that made a unique one fail; drop what a failed REINDEX
--   CONCURRENTLY left (_ccnew, _ccold); give a partitioned index its missing parts.
-- answers: DB-007
-- hipaa: 164.312(c)(1)
-- subject: indexes
-- promise: each is valid
-- checked: select count(*) as checked from indexes
select
  i.qualified as object,
  case
    when i.is_partitioned then 'invalid: not every partition has its part'
    when not i.is_live then 'invalid: its DROP INDEX CONCURRENTLY did not finish'
    else 'invalid: its concurrent build did not finish'
  end || case when i.is_unique then '; it enforces no uniqueness on older rows' else '' end as detail,
  case
    when i.is_partitioned and i.constraint_oid is not null
      then format('alter table %1$s drop constraint %2$s, add constraint %2$s %3$s;', i.table_qualified,
        i.constraint_quoted, pg_get_constraintdef(i.constraint_oid))
    when i.is_partitioned
      then format(E'drop index %s;\n%s;', i.qualified, replace(pg_get_indexdef(i.oid), ' ON ONLY ', ' ON '))
    when not i.is_live or i.quoted ~ '_cc(new|old)[0-9]*"?$' then format('drop index concurrently %s;', i.qualified)
    else format('reindex index concurrently %s;', i.qualified)
  end as remediation
from indexes as i
where not i.is_valid
  and not exists (select from pg_catalog.pg_stat_progress_create_index as p where p.index_relid = i.oid)
