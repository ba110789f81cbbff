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
-- The indexes of a table, partitions under their own, and whether they enforce something.
whole_indexes as (
  select i.oid, i.qualified, i.is_partitioned, coalesce(pg_partition_root(i.table_oid), i.table_oid) as table_oid,
    u.scans, i.is_unique or i.is_exclusion or i.is_replica_identity as enforces, i.key_count, s.bytes,
    exists (select from unnest(i.key_attnums) as key where key = 0) as has_expression
  from indexes as i
  join index_use as u on u.oid = i.oid
  join index_sizes as s on s.oid = i.oid
  where i.is_valid
),
-- The one index that each foreign key needs, in each table or partition that enforces it: one that stays
-- anyway, because it enforces something or was used, else the smallest.
needed as (
  select distinct on (f.foreign_key_oid, f.table_oid) i.oid
  from foreign_key_indexes as f
  join whole_indexes as i on i.oid = coalesce(pg_partition_root(f.index_oid), f.index_oid)
  order by f.foreign_key_oid, f.table_oid, i.enforces desc, i.scans > 0 desc, i.bytes, i.key_count, i.qualified
),
-- exempt: why an index is not judged, or null.
sorted_out as (
  select i.*, t.scans as table_scans,
    case when i.enforces then 'enforces'
      when t.oid is null then 'idle'
      when i.oid in (select n.oid from needed as n) then 'needed' end as exempt
  from whole_indexes as i
  left join table_use as t on t.oid = i.table_oid
),
judged as (
  select * from sorted_out where exempt is null
),
left_out as (
  select 'not judged: ' || concat_ws(', ',
    nullif(count(*) filter (where exempt = 'enforces'), 0) || ' enforcing something',
    nullif(count(*) filter (where exempt = 'needed'), 0) || ' needed by foreign keys (one each)',
    nullif(count(*) filter (where exempt = 'idle'), 0) || ' on tables with fewer than 100 index scans') as text
  from sorted_out
  having count(exempt) > 0
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
