-- title: SET NULL on a NOT NULL column
-- severity: P1
-- why: The foreign key promises to forget the reference when the referenced row goes, and the column forbids it:
--   every such delete (or key change) fails, at the time when somebody needs it, not when the table is made.
-- remediation: Allow the null, name only the nullable columns in the action (PostgreSQL 15), or restrict the
--   delete instead.
-- hipaa: 164.312(b); 164.312(c)(1)
-- subject: foreign keys with SET NULL
-- promise: each can set its columns to null
-- checked: select count(*) as checked from foreign_keys where 'n' in (on_delete, on_update)
with touched as (
  select f.oid, c.quoted, c.attnum = any (coalesce(p.attnums, '{}')) as in_primary_key,
    c.is_not_null, f.on_delete = 'n' and c.attnum = any (d.attnums) as by_delete, f.on_update = 'n' as by_update, place
  from foreign_keys as f
  join pg_catalog.pg_constraint as k on k.oid = f.oid
  cross join lateral (
    -- PostgreSQL 15 can limit ON DELETE SET NULL to some of the columns.
    select coalesce(array_agg(e.value::int2), k.conkey) as attnums
    from jsonb_array_elements_text(
      case jsonb_typeof(to_jsonb(k) -> 'confdelsetcols') when 'array' then to_jsonb(k) -> 'confdelsetcols' end) as e
  ) as d
  cross join unnest(f.attnums) with ordinality as u (attnum, place)
  join columns as c on c.table_oid = f.table_oid and c.attnum = u.attnum
  left join primary_keys as p on p.table_oid = f.table_oid
  where 'n' in (f.on_delete, f.on_update)
),
broken as (
  select oid,
    bool_or(by_delete) filter (where is_not_null) as on_delete,
    bool_or(by_update) filter (where is_not_null) as on_update,
    bool_or(in_primary_key) filter (where is_not_null and (by_delete or by_update)) as in_primary_key,
    array_to_string(array_agg(quoted order by place) filter (where is_not_null and (by_delete or by_update)), ', ')
      as not_null,
    array_to_string(array_agg(quoted order by place) filter (where not is_not_null), ', ') as nullable,
    string_agg(format('alter column %s drop not null', quoted), ', ' order by place)
      filter (where is_not_null and (by_delete or by_update)) as drops
  from touched
  group by oid
  having bool_or(is_not_null and (by_delete or by_update))
)
select
  f.qualified as object,
  format('%s SET NULL on %s, but NOT NULL: %s',
    concat_ws(' and ', case when b.on_delete then 'ON DELETE' end, case when b.on_update then 'ON UPDATE' end),
    f.table_qualified, b.not_null) as detail,
  case
    when b.nullable <> '' and not b.on_update and current_setting('server_version_num')::int >= 150000
      then format('alter table %1$s drop constraint %2$s, add constraint %2$s %3$s;', f.table_qualified, f.quoted,
        regexp_replace(pg_get_constraintdef(f.oid), 'ON DELETE SET NULL( \([^)]*\))?',
          format('ON DELETE SET NULL (%s)', b.nullable)))
    when b.in_primary_key or b.nullable <> ''
      then format('alter table %1$s drop constraint %2$s, add constraint %2$s %3$s;', f.table_qualified, f.quoted,
        regexp_replace(pg_get_constraintdef(f.oid), '(ON (DELETE|UPDATE)) SET NULL( \([^)]*\))?', '\1 RESTRICT', 'g'))
    else format('alter table %s %s;', f.table_qualified, b.drops)
  end as remediation
from broken as b
join foreign_keys as f on f.oid = b.oid
