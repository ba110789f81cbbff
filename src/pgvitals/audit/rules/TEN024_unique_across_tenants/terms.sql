-- Unique indexes of tenant tables, but for primary keys and what foreign keys refer to. Is_natural: made of texts only,
-- none of which is the tenant, a reference, an id or a hash.
tenant_uniques as (
  select i.*, m.tenant_quoted,
    not m.tenant_attnum = any (i.key_attnums) and not exists (
      select from unnest(i.key_attnums, i.key_names) as k (attnum, name)
      left join columns as c on c.table_oid = i.table_oid and c.attnum = k.attnum
      where coalesce(c.base_type, 'text') !~ '^(text|character|citext|.*\.citext)'
        or c.base_type in ('character(26)', 'character varying(26)')
        or coalesce(c.name, k.name) ~* '(^|_)(id|uuid|ulid|key|token|hash|digest|fingerprint|index|ref)\M'
        or exists (
          select from pg_catalog.pg_constraint as f
          where f.conrelid = i.table_oid and f.contype = 'f' and k.attnum = any (f.conkey))) as is_natural
  from indexes as i
  join tenant_members as m on m.oid = i.table_oid and m.tenant_attnum is not null
  where i.is_unique and not i.is_primary and not i.is_attached and i.is_valid
    and not exists (select from pg_catalog.pg_constraint as f where f.conindid = i.oid and f.contype = 'f')
)
