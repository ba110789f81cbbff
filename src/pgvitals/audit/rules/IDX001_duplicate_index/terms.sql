-- Plain indexes that repeat a unique one: IDX002 tells them.
repeating as (
  select a.oid
  from indexes as a
  join indexes as u on u.table_oid = a.table_oid and u.keys = a.keys and u.method = a.method
    and u.predicate is not distinct from a.predicate
  where not a.is_unique and u.is_unique and u.is_valid and u.included @> a.included
),
relied_on as (
  select f.conindid as oid from pg_catalog.pg_constraint as f where f.contype = 'f'
),
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
    and a.oid not in (select r.oid from relied_on as r)
    -- of two that could both go, the one that backs a constraint stays, then the older one
    and (b.is_primary or b.is_exclusion or b.is_replica_identity or b.is_attached
      or b.oid in (select r.oid from relied_on as r)
      or (b.constraint_oid is null, b.oid) < (a.constraint_oid is null, a.oid))
    and a.oid not in (select r.oid from repeating as r)
  order by a.oid, b.constraint_oid is null, b.oid
)
