-- title: Plain index beside a unique one
-- severity: P2
-- why: A unique index (a primary key is one) answers everything that a plain index on the same columns does.
--   An index whose columns, order, operator classes, predicate or INCLUDE columns differ is left alone.
-- remediation: Drop the plain one; the unique one answers the same statements.
-- answers: DB-007
-- subject: plain indexes
-- promise: none repeats a unique index
-- checked: select count(*) as checked from indexes where not is_unique and not is_exclusion and not is_attached
select distinct on (p.oid)
  p.qualified as object,
  format('same columns as the %s %s; %s', case when u.is_primary then 'primary key' else 'unique index' end,
    u.qualified, pg_size_pretty(s.bytes)) as detail,
  format('drop index %s%s;', case when p.is_partitioned then '' else 'concurrently ' end, p.qualified) as remediation
from indexes as p
join indexes as u on u.table_oid = p.table_oid and u.keys = p.keys and u.method = p.method and u.is_unique
  and u.is_valid and u.included @> p.included and u.predicate is not distinct from p.predicate
join index_sizes as s on s.oid = p.oid
where not p.is_unique and not p.is_exclusion and not p.is_replica_identity and not p.is_attached and p.is_valid
order by p.oid, u.is_primary desc, u.oid
