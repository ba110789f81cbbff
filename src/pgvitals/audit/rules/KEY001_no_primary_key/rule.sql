-- title: Table without a primary key
-- severity: P1
-- why: Without a primary key a row has no name: it can be stored twice, an audit record cannot say which row
--   it speaks of, and logical replication refuses to update or delete it.
-- remediation: Promote a unique index over NOT NULL columns if there is one; else make the column that
--   names a row the primary key, or add one.
-- references: DB-001; 45 CFR 164.312(c)(1)
-- subject: tables
-- promise: each has a primary key
-- checked: select count(*) as checked from tables where carries_key
select
  t.qualified as object,
  'no primary key' || coalesce('; the unique index ' || u.quoted || ' over NOT NULL columns could be one', '') as detail,
  case
    when u.promotable then format('alter table %s add primary key using index %s;', t.qualified, u.quoted)
    when u.oid is not null then format('alter table %s add primary key (%s);', t.qualified, u.names)
    when exists (select from columns as c where c.table_oid = t.oid and c.name = 'id')
      then format('alter table %s add primary key (id%s);', t.qualified, p.names)
    when %(primary_key)s = 'uuid'
      then format('alter table %s add column id uuid not null default gen_random_uuid(), add primary key (id%s);',
        t.qualified, p.names)
    else format(E'-- between the two statements the application fills the column with ULIDs\n'
      'alter table %1$s add column id varchar(26);\nalter table %1$s add primary key (id%2$s);', t.qualified, p.names)
  end as remediation
from tables as t
left join lateral (
  select i.oid, i.quoted, array_to_string(i.key_names, ', ') as names,
    i.constraint_oid is null and not t.is_partitioned
      and not exists (select from unnest((x.indoption)::int2[]) as option where option <> 0)
      and not exists (
        select from unnest(x.indclass::oid[]) as class
        join pg_catalog.pg_opclass as o on o.oid = class where not o.opcdefault) as promotable
  from indexes as i
  join pg_catalog.pg_index as x on x.indexrelid = i.oid
  where i.table_oid = t.oid and i.is_unique and i.is_valid and i.is_immediate and i.predicate is null
    and not exists (
      select from unnest(i.key_attnums) as key
      left join columns as c on c.table_oid = t.oid and c.attnum = key
      where c.is_not_null is not true)
  order by i.key_count, i.oid
  limit 1
) as u on true
cross join lateral (
  -- The primary key of a partitioned table has to hold the columns it is partitioned by.
  select coalesce(string_agg(', ' || c.quoted, '' order by c.attnum) filter (where c.name <> 'id'), '') as names
  from pg_catalog.pg_partitioned_table as x
  join columns as c on c.table_oid = x.partrelid and c.attnum = any (x.partattrs::int2[])
  where x.partrelid = t.oid
) as p
where t.carries_key
  and not exists (select from primary_keys as k where k.table_oid = t.oid)
