keyless as (
  select t.oid, t.qualified, t.is_partitioned, coalesce(bool_or(c.name = 'id'), false) as has_id,
    -- The primary key of a partitioned table has to hold the columns it is partitioned by.
    coalesce(string_agg(', ' || c.quoted, '' order by c.attnum)
      filter (where c.attnum = any (p.partattrs::int2[]) and c.name <> 'id'), '') as partition_names
  from tables as t
  left join columns as c on c.table_oid = t.oid
  left join pg_catalog.pg_partitioned_table as p on p.partrelid = t.oid
  where t.carries_key and t.oid not in (select k.table_oid from primary_keys as k)
  group by t.oid, t.qualified, t.is_partitioned
),
-- The narrowest unique index of each that would do; PostgreSQL promotes it as it is if it is a plain one.
candidates as (
  select distinct on (i.table_oid) i.table_oid, i.oid, i.quoted, array_to_string(i.key_names, ', ') as names,
    i.constraint_oid is null and not i.is_partitioned and 0 = all (x.indoption::int2[]) and o.are_default
      as is_promotable
  from keyless as t
  join indexes as i on i.table_oid = t.oid and i.is_unique and i.is_valid and i.is_immediate
    and i.predicate is null and 0 <> all (i.key_attnums)
  join pg_catalog.pg_index as x on x.indexrelid = i.oid
  cross join lateral (
    select bool_and(o.opcdefault) as are_default
    from unnest(x.indclass::oid[]) as class join pg_catalog.pg_opclass as o on o.oid = class
  ) as o
  where not exists (
    select from pg_catalog.pg_attribute as a
    where a.attrelid = i.table_oid and a.attnum = any (i.key_attnums) and not a.attnotnull)
  order by i.table_oid, i.key_count, i.oid
)
