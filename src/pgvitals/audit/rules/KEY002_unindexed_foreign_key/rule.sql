-- title: Foreign key without an index
-- severity: P2
-- why: Deleting a row, or changing its key, looks for the rows that refer to it. Without an index on their side
--   each such delete reads the whole referring table, and so does every join from the referenced row.
--   An index counts if the key's columns lead it, in any order, and its operator class and collation know the
--   key's equality. A partial index counts if it leaves out nothing but rows whose key is null.
-- remediation: Create an index led by the columns of the foreign key.
-- answers: DB-007
-- subject: foreign keys
-- promise: each has an index
-- checked: select count(*) as checked,
--   case when count(*) filter (where only_partial) > 0
--     then count(*) filter (where only_partial) || ' by a partial index (where the key is not null)' end as note
--   from (
--     select bool_and(i.is_partial) as only_partial
--     from foreign_keys as f
--     left join foreign_key_indexes as i on i.foreign_key_oid = f.oid
--     group by f.oid
--   ) as f
select
  f.qualified as object,
  format('no index is led by (%s) of %s, which refers to %s', array_to_string(f.column_names, ', '),
    f.table_qualified, f.referenced_qualified)
    || coalesce('; only partly: ' || p.names, '') as detail,
  format('create index %son %s (%s);', case when f.is_partitioned then '' else 'concurrently ' end,
    f.table_qualified, array_to_string(f.column_names, ', ')) as remediation
from foreign_keys as f
left join (
  select f.oid, string_agg(format('%s where %s', i.quoted, i.predicate), ', ' order by i.quoted) as names
  from foreign_keys as f
  join indexes as i on i.table_oid = f.table_oid and i.predicate is not null and i.is_valid
    and i.key_attnums[1:cardinality(f.attnums)] @> f.attnums
  group by f.oid
) as p on p.oid = f.oid
where f.oid in (
  select l.foreign_key_oid
  from foreign_key_leaves as l
  left join foreign_key_indexes as i on i.foreign_key_oid = l.foreign_key_oid and i.table_oid = l.table_oid
  where i.index_oid is null)
