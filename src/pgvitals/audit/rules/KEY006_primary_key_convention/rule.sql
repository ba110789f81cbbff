-- title: Primary key outside of the convention
-- severity: P1
-- why: Where all keys are UUIDs (or ULIDs), a row can be named before it is stored and merged between databases,
--   and nobody counts patients by their numbers. One table with another kind breaks that for all that refer to it.
--   A composite key keeps the convention if one of its columns does; shared tables may have codes as keys.
-- remediation: Change the key and what refers to it in one transaction, or name the table in shared_tables.
-- answers: DB-001
-- subject: primary keys
-- promise: each keeps the convention of system.toml
-- checked: select count(*) as checked,
--   case %(primary_key)s when 'any' then 'system.toml names no convention' end as not_applicable from own_keys
select
  k.qualified as object,
  format('the primary key is %s, the convention is %s', k.description, %(primary_key)s::text) as detail,
  coalesce('-- first move what refers to it: ' || f.names || E'\n', '') || case
    when k.width > 1 then format('alter table %1$s drop constraint %2$I, add unique (%3$s), '
      'add column id %4$s, add primary key (id);', k.qualified, k.constraint_name, k.names,
      case %(primary_key)s when 'uuid' then 'uuid not null default gen_random_uuid()' else 'varchar(26)' end)
    when %(primary_key)s = 'uuid' then format('%3$salter table %1$s alter column %2$s drop default, '
      'alter column %2$s type uuid using %4$s, alter column %2$s set default gen_random_uuid();', k.qualified, k.quoted,
      case when k.is_identity then format(E'alter table %s alter column %s drop identity;\n', k.qualified, k.quoted) end,
      case when k.base_type ~ '^(text|character)' then k.quoted || '::uuid' else 'gen_random_uuid()' end)
    when k.base_type ~ '^(text|character)'
      then format('alter table %s alter column %s type varchar(26);', k.qualified, k.quoted)
    else format(E'-- the application fills this column with ULIDs, then it takes the place of %2$s\n'
      'alter table %1$s add column id_ulid varchar(26);', k.qualified, k.quoted)
  end as remediation
from own_keys as k
left join lateral (
  select string_agg(format('%s of %s', x.conname, x.conrelid::regclass), ', ' order by x.conname) as names
  from pg_catalog.pg_constraint as x
  where x.confrelid = k.table_oid and x.contype = 'f' and x.conparentid = 0
) as f on true
where not k.keeps
