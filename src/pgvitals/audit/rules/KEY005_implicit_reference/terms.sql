-- The names a table goes by in a column: its own and its singular.
words as (
  select distinct t.oid as table_oid, form
  from tables as t
  cross join lateral (values
    (t.name),
    (regexp_replace(t.name, '([^s])s$', '\1')),
    (regexp_replace(t.name, 'ies$', 'y')),
    (regexp_replace(t.name, '(s|x|z|ch|sh)es$', '\1')),
    (regexp_replace(t.name, 'people$', 'person'))) as f (form)
  where not t.is_partition
),
stems as (
  select c.table_oid, c.attnum, c.base_type, left(c.name, -3) as stem
  from tables as t
  join columns as c on c.table_oid = t.oid
  where not t.is_partition and length(c.name) > 3 and right(c.name, 3) = '_id'
    and c.name not like 'external\_%'
    and not exists (
      select from columns as beside
      where beside.table_oid = c.table_oid and beside.name = left(c.name, -3) || '_type')
),
guesses as (
  -- created_by_user: created_by_user, by_user, user. A column named after its own table is no reference.
  select s.table_oid, s.attnum, s.base_type, w.table_oid as target_oid, length(w.form) as weight
  from stems as s
  cross join lateral (select string_to_array(s.stem, '_') as list) as word
  cross join lateral generate_series(1, cardinality(word.list)) as k
  join words as w on w.form = array_to_string(word.list[k:], '_')
  where w.table_oid <> s.table_oid or k > 1
  union all
  -- parent, or parent_token in auth_tokens
  select s.table_oid, s.attnum, s.base_type, w.table_oid, length(w.form)
  from stems as s
  join words as w on w.table_oid = s.table_oid
  where s.stem = 'parent' or (s.stem like 'parent\_%' and right('_' || w.form, length(s.stem) - 6) = substr(s.stem, 7))
),
references_by_name as (
  select distinct on (g.table_oid, g.attnum) g.table_oid, g.attnum, t.qualified as target, k.quoted as target_column
  from guesses as g
  join tables as t on t.oid = g.target_oid
  join primary_keys as p on p.table_oid = g.target_oid and cardinality(p.attnums) = 1
  join columns as k on k.table_oid = g.target_oid and k.attnum = p.attnums[1] and k.base_type = g.base_type
  where g.target_oid <> g.table_oid or g.attnum <> k.attnum
  order by g.table_oid, g.attnum, g.weight desc, t.qualified
)
