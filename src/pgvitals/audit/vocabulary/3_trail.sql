-- The audit trail: its table, the tables whose changes it records, and the triggers that write it or guard it.

trails as (
  select t.*
  from tables as t
  where t.name = %(audit_table)s and not t.is_partition
),
-- The column of the trail that says who.
trail_actors as (
  select distinct on (t.oid) t.oid as table_oid, c.attnum, c.quoted
  from trails as t
  join columns as c on c.table_oid = t.oid
  where c.name ~* '(^|_)(actor|user|account|principal|by|who)(_|$)' and c.name !~* '(agent|_ref$)'
  order by t.oid, c.attnum
),
-- Tables whose changes have to be recorded: those that the policy names, and every table with health data if the
-- policy names a trail.
recorded as (
  select t.oid, t.name, t.qualified
  from tables as t
  where not t.is_partition and t.name <> %(audit_table)s
    and (t.name = any (%(audited_tables)s)
      or (%(audit_table)s <> '' and t.name in (select split_part(phi, '.', 1) from unnest(%(phi_columns)s) as phi)))
),
-- Triggers of users. Is_enabled: it fires for what the application does. Writes_trail: its function, or its arguments,
-- name the trail. Refuses: it comes before the change and its function raises.
triggers as (
  select g.oid, t.oid as table_oid, t.qualified as table_qualified, quote_ident(g.tgname) as quoted,
    t.qualified || '.' || quote_ident(g.tgname) as qualified, format('%I.%I', n.nspname, f.proname) as function,
    g.tgtype & 1 > 0 as is_for_each_row, g.tgtype & 2 > 0 as is_before, g.tgenabled in ('O', 'A') as is_enabled,
    array_remove(array[case when g.tgtype & 4 > 0 then 'insert' end, case when g.tgtype & 16 > 0 then 'update' end,
      case when g.tgtype & 8 > 0 then 'delete' end, case when g.tgtype & 32 > 0 then 'truncate' end], null) as events,
    pg_get_triggerdef(g.oid) as definition, cardinality(g.tgattr::int2[]) > 0 as is_of_columns,
    g.tgqual is not null and pg_get_triggerdef(g.oid) !~ 'WHEN \(\(old\.\* IS DISTINCT FROM new\.\*\)\)' as is_conditional,
    b.body ~ ('\m' || %(audit_table)s || '\M') or position(%(audit_table)s in encode(g.tgargs, 'escape')) > 0
      as writes_trail,
    g.tgtype & 2 > 0 and b.body ~* '\mraise\M' and b.body !~* '\mraise\s+(notice|warning|info|log|debug)' as refuses
  from tables as t
  join pg_catalog.pg_trigger as g on g.tgrelid = t.oid and not g.tgisinternal
  join pg_catalog.pg_proc as f on f.oid = g.tgfoid
  join pg_catalog.pg_namespace as n on n.oid = f.pronamespace
  cross join lateral (select coalesce(f.prosrc, '') as body) as b
),
-- What the triggers of a recorded table write to the trail, event by event.
recordings as (
  select r.oid as table_oid, e.place, e.event,
    coalesce(bool_or(g.oid is not null), false) as is_recorded,
    coalesce(bool_or(g.is_enabled), false) as is_enabled,
    coalesce(bool_or(not g.is_conditional and not (e.event = 'update' and g.is_of_columns)), false) as is_whole
  from recorded as r
  cross join (values (1, 'insert'), (2, 'update'), (3, 'delete')) as e (place, event)
  left join triggers as g on g.table_oid = r.oid and g.writes_trail and e.event = any (g.events)
  group by r.oid, e.place, e.event
),
-- The function that writes the trail for most tables, or one that could.
recorders as (
  select min(function) as function
  from (
    select g.function from triggers as g where g.writes_trail
    union all
    select f.qualified from functions as f
    where f.is_trigger and %(audit_table)s <> '' and f.definition ~ ('\minsert\s+into\s+\S*\m' || %(audit_table)s || '\M')
  ) as f
)
