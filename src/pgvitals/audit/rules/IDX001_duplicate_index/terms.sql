-- Two indexes are duplicates if one could be dropped and no statement would notice.
duplicates as (
  select distinct on (a.oid) a.*, b.qualified as kept
  from indexes as a
  join indexes as b on b.table_oid = a.table_oid and b.oid <> a.oid and b.keys = a.keys
    and b.included = a.included and b.method = a.method and b.is_unique = a.is_unique
    and b.is_immediate = a.is_immediate and b.nulls_not_distinct = a.nulls_not_distinct
    and b.predicate is not distinct from a.predicate
    and b.storage_options is not distinct from a.storage_options
  where a.is_valid and b.is_valid and not a.is_attached and not a.is_primary and not a.is_exclusion
    and not a.is_replica_identity
    and not exists (select from pg_catalog.pg_constraint as f where f.conindid = a.oid and f.contype = 'f')
    -- of two that could both go, the one that backs a constraint stays, then the older one
    and (b.is_primary or b.is_exclusion or b.is_replica_identity or b.is_attached
      or exists (select from pg_catalog.pg_constraint as f where f.conindid = b.oid and f.contype = 'f')
      or (b.constraint_oid is null, b.oid) < (a.constraint_oid is null, a.oid))
    -- what repeats a unique index is told by IDX002
    and (a.is_unique or not exists (
      select from indexes as u
      where u.table_oid = a.table_oid and u.keys = a.keys and u.method = a.method and u.is_unique and u.is_valid
        and u.included @> a.included and u.predicate is not distinct from a.predicate))
  order by a.oid, b.constraint_oid is null, b.oid
)
