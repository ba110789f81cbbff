-- Health data: the columns that the policy names, and whether what they hold looks encrypted from outside.

health_columns as (
  select c.*, t.qualified as table_qualified, t.name as table_name,
    c.base_type = 'bytea' or c.name ~ '_(encrypted|enc|ciphertext|sealed)$' as is_sealed
  from tables as t
  join columns as c on c.table_oid = t.oid
  where not t.is_partition and t.name || '.' || c.name = any (%(phi_columns)s)
),
-- Columns that hold ciphertext: those of health data that are no longer readable, and those whose name says so.
sealed_columns as (
  select c.*, t.qualified as table_qualified, t.name as table_name,
    regexp_replace(c.name, '_(encrypted|enc|ciphertext|sealed)$', '') as stem
  from tables as t
  join columns as c on c.table_oid = t.oid
  where not t.is_partition
    and (c.name ~ '_(encrypted|enc|ciphertext|sealed)$'
      or (c.base_type = 'bytea' and t.name || '.' || c.name = any (%(phi_columns)s)))
),
-- Conditions on columns: CHECKs of the table, and those of a column's domain.
checks as (
  select k.oid, k.conrelid as table_oid, quote_ident(k.conname) as quoted, k.conname::text as name,
    coalesce(k.conkey, '{}') as attnums, pg_get_constraintdef(k.oid) as definition, k.convalidated as is_valid,
    coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true) as is_enforced
  from tables as t
  join pg_catalog.pg_constraint as k on k.conrelid = t.oid and k.contype = 'c'
  union all
  select k.oid, c.table_oid, quote_ident(k.conname), k.conname::text, array[c.attnum], pg_get_constraintdef(k.oid),
    k.convalidated, true
  from columns as c
  join pg_catalog.pg_attribute as a on a.attrelid = c.table_oid and a.attnum = c.attnum
  join pg_catalog.pg_constraint as k on k.contypid = a.atttypid and k.contype = 'c'
),
-- What marks a row as deleted, the clearest one of each table. Is_moment: it says when.
marks as (
  select distinct on (c.table_oid) c.*, t.qualified as table_qualified,
    c.base_type ~ '^timestamp' as is_moment
  from tables as t
  join columns as c on c.table_oid = t.oid
  where not t.is_partition and c.name in ('deleted_at', 'archived_at', 'removed_at', 'is_deleted', 'is_archived', 'deleted')
    and c.base_type ~ '^(timestamp|date|boolean)'
  order by c.table_oid, c.base_type ~ '^timestamp' desc, c.name
),
-- Tables that the law wants kept. Is_active counts as a mark here: the row stays.
retained as (
  select t.oid, t.name, t.qualified, coalesce(d.is_allowed, true) as is_deletable,
    exists (select from marks as m where m.table_oid = t.oid) or exists (
      select from columns as c where c.table_oid = t.oid and c.name in ('is_active', 'active') and c.base_type = 'boolean') as has_mark
  from tables as t
  left join app_commands as d on d.table_oid = t.oid and d.command = 'd'
  where t.name = any (%(retention_tables)s) and not t.is_partition
)
