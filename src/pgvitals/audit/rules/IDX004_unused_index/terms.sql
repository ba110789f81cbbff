-- Scans since the statistics began; those of the partitions of an index count for the whole.
index_use as (
  select coalesce(pg_partition_root(i.oid), i.oid) as oid, sum(pg_stat_get_numscans(i.oid))::bigint as scans
  from indexes as i
  group by 1
),
-- Loading rows scans the keys that foreign keys refer to: those scans are no workload.
table_use as (
  select coalesce(pg_partition_root(i.table_oid), i.table_oid) as oid,
    sum(pg_stat_get_numscans(i.oid))::bigint as scans
  from indexes as i
  where i.oid not in (select f.conindid from pg_catalog.pg_constraint as f where f.contype = 'f')
  group by 1
  having sum(pg_stat_get_numscans(i.oid)) >= 100
),
-- Indexes that are there to be read: they enforce nothing, and no foreign key needs them.
judged as (
  select i.oid, i.qualified, i.is_partitioned, u.scans, t.scans as table_scans,
    exists (select from unnest(i.key_attnums) as key where key = 0) as has_expression
  from indexes as i
  join index_use as u on u.oid = i.oid
  join table_use as t on t.oid = coalesce(pg_partition_root(i.table_oid), i.table_oid)
  where not i.is_unique and not i.is_exclusion and not i.is_replica_identity and i.is_valid
    and i.oid not in (
      select coalesce(pg_partition_root(f.index_oid), f.index_oid) from foreign_key_indexes as f)
),
since as (
  select case when d.stats_reset is null then 'since the statistics began (they were never reset)'
    else format('since the statistics were reset at %s (%s ago)',
      to_char(d.stats_reset at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'),
      case when now() - d.stats_reset >= interval '2 days' then extract(day from now() - d.stats_reset) || ' days'
        else round(extract(epoch from now() - d.stats_reset) / 60) || ' minutes' end) end as text
  from pg_catalog.pg_stat_database as d
  where d.datname = current_database()
)
