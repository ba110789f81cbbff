missing as (
  select t.oid as table_oid, w.*
  from trails as t
  cross join (values
    (1, 'who', '(^|_)(actor|user|account|principal|by|who)(_|$)', 'actor_id text'),
    (2, 'whose', '^' || regexp_replace(%(tenant_column)s, '_id$', '') || '(_|$)', quote_ident(%(tenant_column)s) || ' ' || %(tenant_type)s),
    (3, 'what was done', '(^|_)(action|operation|op|event|verb|change)(_|$)', 'operation text'),
    (4, 'which table', '(^|_)(table|resource|entity|object|model)(_|$)', 'table_name text'),
    (5, 'which row', '^(row|record|resource|entity|object|model)_(id|key|pk|uuid)$', 'row_id text')
  ) as w (place, what, pattern, cure)
  where not exists (select from columns as c where c.table_oid = t.oid and c.name ~* w.pattern)
  union all
  select t.oid, 6, 'when', '', 'recorded_at timestamptz not null default clock_timestamp()'
  from trails as t
  where not exists (
    select from columns as c
    where c.table_oid = t.oid and c.base_type ~ '^timestamp.* with time zone$' and c.is_not_null)
)
