-- Unique indexes of softly deleted tables that do not look at the mark. Is_natural: at least one column that somebody
-- chose (a name, an address), and none that is reserved for ever.
uniques as (
  select i.*, m.quoted as mark_quoted,
    position(m.quoted in coalesce(i.predicate, '')) = 0 and m.attnum <> all (i.key_attnums)
    and exists (
      select from unnest(i.key_attnums, i.key_names) as k (attnum, name)
      left join columns as c on c.table_oid = i.table_oid and c.attnum = k.attnum
      where coalesce(c.base_type, 'text') ~ '^(text|character|citext|.*\.citext)'
        and coalesce(c.base_type, '') not in ('character(26)', 'character varying(26)')
        and coalesce(c.name, k.name) !~* '(^|_)(id|uuid|ulid|key|token|hash|digest|fingerprint|index|ref)\M')
    and not exists (
      select from unnest(i.key_attnums) as k
      join columns as c on c.table_oid = i.table_oid and c.attnum = k
      join tables as t on t.oid = i.table_oid
      where t.name || '.' || c.name = any (%(reserved_columns)s)) as is_natural
  from marks as m
  join indexes as i on i.table_oid = m.table_oid
  where i.is_unique and not i.is_primary and not i.is_attached and i.is_valid
    and not exists (select from pg_catalog.pg_constraint as f where f.conindid = i.oid and f.contype = 'f')
)
