-- The name of an end, and what its start would be called.
ends as (
  select c.table_oid, c.attnum, c.name, c.quoted, c.qualified, c.base_type,
    regexp_replace(c.name, '(^|_)' || w.ending || '(_|$)', '\1' || w.beginning || '\2') as start_name
  from columns as c
  cross join (values
    ('ends', 'starts'), ('ended', 'started'), ('end', 'start'), ('end', 'begin'), ('to', 'from'), ('until', 'from'),
    ('until', 'since'), ('closes', 'opens')) as w (ending, beginning)
  where c.name ~ ('(^|_)' || w.ending || '(_|$)')
    and c.base_type ~ '^(timestamp|date|time|integer|bigint|smallint|numeric)'
),
pairs as (
  select distinct on (t.oid, e.attnum) t.oid as table_oid, t.qualified as table_qualified, t.name as table_name, t.is_partitioned,
    e.name as end_name, e.quoted as end_quoted, e.qualified as end_qualified, e.attnum as end_attnum,
    s.quoted as start_quoted, s.attnum as start_attnum
  from ends as e
  join tables as t on t.oid = e.table_oid and not t.is_partition
  join columns as s on s.table_oid = e.table_oid and s.name = e.start_name and s.attnum <> e.attnum
    and s.base_type = e.base_type
  order by t.oid, e.attnum, s.attnum
)
