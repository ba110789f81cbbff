-- Primary keys that the convention speaks of: not those of shared tables, whose keys may be codes.
own_keys as (
  select t.oid as table_oid, t.name, t.qualified, k.name as constraint_name, cardinality(k.attnums) as width,
    min(c.quoted) as quoted, min(c.base_type) as base_type, bool_or(c.is_identity) as is_identity,
    string_agg(c.quoted, ', ' order by array_position(k.attnums, c.attnum)) as names,
    string_agg(c.quoted || ' ' || c.type, ', ' order by array_position(k.attnums, c.attnum)) as description,
    bool_or(case %(primary_key)s
      when 'any' then true
      when 'uuid' then c.base_type = 'uuid'
      else c.base_type in ('character(26)', 'character varying(26)') or c.base_type ~ '(^|\.)ulid$' end) as keeps
  from tables as t
  join primary_keys as k on k.table_oid = t.oid
  join columns as c on c.table_oid = t.oid and c.attnum = any (k.attnums)
  where t.carries_key and t.name <> all (%(shared_tables)s::text[])
  group by t.oid, t.name, t.qualified, k.name, k.attnums
)
