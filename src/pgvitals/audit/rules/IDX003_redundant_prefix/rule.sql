-- title: Index that repeats the beginning of another
-- severity: P3
-- why: A B-tree on (a, b) answers what one on (a) does, a little larger and a little slower to scan; each write
--   pays for both. Only told where access method, sort order, operator classes, collations and predicate
--   agree, where the longer one holds the INCLUDE columns, and where the shorter one enforces nothing.
-- remediation: Drop the shorter one, unless a measurement shows what its smaller size is good for.
-- answers: DB-007
-- subject: B-tree indexes
-- promise: none repeats the beginning of another
-- checked: select count(*) as checked from indexes where method = 'btree' and not is_attached
select distinct on (p.oid)
  p.qualified as object,
  format('(%s) is how %s (%s) begins; %s', array_to_string(p.key_names, ', '), w.qualified,
    array_to_string(w.key_names, ', '), pg_size_pretty(s.bytes)) as detail,
  format('drop index %s%s;', case when p.is_partitioned then '' else 'concurrently ' end, p.qualified) as remediation
from indexes as p
join indexes as w on w.table_oid = p.table_oid and w.keys[1] = p.keys[1] and w.method = 'btree' and w.is_valid
  and (w.key_count, cardinality(w.included)) > (p.key_count, cardinality(p.included))
  and w.keys[1:p.key_count] = p.keys and w.included || w.key_attnums @> p.included
  and w.predicate is not distinct from p.predicate
join index_sizes as s on s.oid = p.oid
where p.method = 'btree' and not p.is_unique and not p.is_replica_identity and not p.is_attached and p.is_valid
  -- what repeats an index as a whole is told by IDX001 and IDX002
  and not exists (
    select from indexes as u
    where u.table_oid = p.table_oid and u.keys = p.keys and u.oid <> p.oid and u.method = 'btree' and u.is_valid
      and u.predicate is not distinct from p.predicate
      and case when u.is_unique then u.included @> p.included else u.included = p.included and u.oid < p.oid end)
-- The longest one is no beginning of another itself: dropping all that is told here is safe.
order by p.oid, w.key_count desc, cardinality(w.included) desc, w.is_unique desc, w.oid
