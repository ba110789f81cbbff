-- What rules speak about: the tables, columns, keys and indexes of one schema. These are common table
-- expressions put in front of every rule; PostgreSQL leaves out those that a rule does not name.
-- Left out once, here: what an extension owns, and the bookkeeping tables of migration tools.
-- Lists of column names are quoted and in key order; types in lists are those beneath a domain.
-- A primary key belongs on every table that carries_key: not on a partition, which has its table's,
-- unless that one is partitioned by an expression, which PostgreSQL cannot put a primary key on.
tables as (
  select c.oid, c.relname::text as name, format('%I.%I', n.nspname, c.relname) as qualified,
    c.relkind = 'p' as is_partitioned, c.relispartition as is_partition, c.reltuples::bigint as row_estimate,
    c.relowner as owner_oid, c.relrowsecurity as has_rls, c.relforcerowsecurity as forces_rls,
    not coalesce(0 = any (own.partattrs::int2[]), false)
      and (not c.relispartition or 0 = any (parent.partattrs::int2[])) as carries_key
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  left join pg_catalog.pg_partitioned_table as own on own.partrelid = c.oid
  left join pg_catalog.pg_inherits as h on h.inhrelid = c.oid and c.relispartition
  left join pg_catalog.pg_partitioned_table as parent on parent.partrelid = h.inhparent
  where n.nspname = %(schema)s and c.relkind in ('r', 'p')
    and c.relname not in ('alembic_version', 'django_migrations', 'flyway_schema_history',
      'databasechangelog', 'databasechangeloglock', 'schema_migrations', 'ar_internal_metadata',
      '_prisma_migrations', 'knex_migrations', 'knex_migrations_lock', 'goose_db_version')
    and not exists (
      select from pg_catalog.pg_depend as d
      where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
),
-- Each domain and the type beneath it, also when that is a domain over a domain.
domain_steps as (
  select d.oid, d.typbasetype as base_oid, d.typtypmod as modifier
  from pg_catalog.pg_type as d where d.typtype = 'd'
  union all
  select s.oid, d.typbasetype, d.typtypmod
  from domain_steps as s join pg_catalog.pg_type as d on d.oid = s.base_oid and d.typtype = 'd'
),
domains as (
  select s.oid, format_type(s.base_oid, s.modifier) as base_type
  from domain_steps as s join pg_catalog.pg_type as t on t.oid = s.base_oid and t.typtype <> 'd'
),
columns as (
  select t.oid as table_oid, a.attnum, a.attname::text as name, quote_ident(a.attname) as quoted,
    t.qualified || '.' || quote_ident(a.attname) as qualified, format_type(a.atttypid, a.atttypmod) as type,
    coalesce(d.base_type, format_type(a.atttypid, a.atttypmod)) as base_type,
    a.attnotnull as is_not_null, a.attidentity in ('a', 'd') as is_identity, a.attgenerated <> '' as is_generated
  from tables as t
  join pg_catalog.pg_attribute as a on a.attrelid = t.oid
  left join domains as d on d.oid = a.atttypid
  where a.attnum > 0 and not a.attisdropped
),
primary_keys as (
  select k.oid, t.oid as table_oid, k.conname::text as name, k.conkey as attnums, k.conindid as index_oid
  from tables as t
  join pg_catalog.pg_constraint as k on k.conrelid = t.oid and k.contype = 'p'
),
-- Each table in one row: the columns of its primary key, null if it has none, and those that can be written.
table_parts as (
  select t.oid as table_oid,
    array_agg(c.quoted order by array_position(k.attnums, c.attnum)) filter (where c.attnum = any (k.attnums)) as key,
    array_agg(c.type order by array_position(k.attnums, c.attnum)) filter (where c.attnum = any (k.attnums)) as key_types,
    array_agg(c.quoted order by c.attnum) filter (where not c.is_generated) as writable
  from tables as t
  join columns as c on c.table_oid = t.oid
  left join primary_keys as k on k.table_oid = t.oid
  group by t.oid
),
-- keys: one text a key column: the column number or the expression, with opclass, collation and
-- options, so that two equal texts order rows alike. included: numbers of INCLUDE columns, sorted.
-- storage_options change what an index answers, but for a B-tree, where they are about its size.
-- An index on a partition that hangs under its table's index is_attached: it cannot be dropped alone.
indexes as (
  select i.indexrelid as oid, t.oid as table_oid, t.qualified as table_qualified,
    quote_ident(c.relname) as quoted, format('%I.%I', n.nspname, c.relname) as qualified,
    am.amname::text as method, i.indisunique as is_unique, i.indisprimary as is_primary,
    i.indisexclusion as is_exclusion, i.indimmediate as is_immediate, i.indisreplident as is_replica_identity,
    i.indisvalid and i.indisready and i.indislive as is_valid,
    i.indislive as is_live, c.relkind = 'I' as is_partitioned, c.relispartition as is_attached,
    case when am.amname <> 'btree' then c.reloptions end as storage_options,
    coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) as nulls_not_distinct,
    k.oid as constraint_oid, quote_ident(k.conname) as constraint_quoted,
    i.indnkeyatts::int as key_count, (i.indkey::int2[])[0:i.indnkeyatts - 1] as key_attnums,
    part.keys, part.key_names, part.included,
    pg_get_expr(i.indpred, i.indrelid) as predicate
  from tables as t
  join pg_catalog.pg_index as i on i.indrelid = t.oid
  join pg_catalog.pg_class as c on c.oid = i.indexrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_am as am on am.oid = c.relam
  left join pg_catalog.pg_constraint as k on k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x')
  cross join lateral (
    select
      array_agg(concat_ws(' ', coalesce(nullif(i.indkey[p], 0)::text, pg_get_indexdef(i.indexrelid, p + 1, false)),
          i.indclass[p], i.indcollation[p], i.indoption[p], x.attoptions)
        order by p) filter (where p < i.indnkeyatts) as keys,
      array_agg(coalesce(quote_ident(a.attname), pg_get_indexdef(i.indexrelid, p + 1, false)) order by p)
        filter (where p < i.indnkeyatts) as key_names,
      coalesce(array_agg(i.indkey[p] order by i.indkey[p]) filter (where p >= i.indnkeyatts), '{}') as included
    from generate_series(0, i.indnatts - 1) as p
    join pg_catalog.pg_attribute as x on x.attrelid = i.indexrelid and x.attnum = p + 1
    left join pg_catalog.pg_attribute as a
      on a.attrelid = i.indrelid and a.attnum = i.indkey[p] and i.indkey[p] <> 0
  ) as part
),
index_sizes as (
  select i.oid,
    coalesce((select sum(pg_relation_size(p.relid)) from pg_partition_tree(i.oid) as p),
      pg_relation_size(i.oid))::bigint as bytes
  from indexes as i
),
-- One row a foreign key as it was declared, not one a partition.
foreign_keys as (
  select k.oid, quote_ident(k.conname) as quoted, t.qualified || '.' || quote_ident(k.conname) as qualified,
    t.oid as table_oid, t.qualified as table_qualified, t.is_partitioned, k.conkey as attnums,
    k.confrelid as referenced_oid, format('%I.%I', n.nspname, r.relname) as referenced_qualified,
    k.confkey as referenced_attnums, k.conpfeqop as operators, k.confdeltype as on_delete,
    k.confupdtype as on_update, part.column_names, part.column_types,
    part.referenced_column_names, part.referenced_column_types
  from tables as t
  join pg_catalog.pg_constraint as k on k.conrelid = t.oid and k.contype = 'f' and k.conparentid = 0
  join pg_catalog.pg_class as r on r.oid = k.confrelid
  join pg_catalog.pg_namespace as n on n.oid = r.relnamespace
  cross join lateral (
    select array_agg(quote_ident(a.attname) order by u.place) as column_names,
      array_agg(quote_ident(b.attname) order by u.place) as referenced_column_names,
      array_agg(coalesce(c.base_type, format_type(a.atttypid, a.atttypmod)) order by u.place) as column_types,
      array_agg(coalesce(d.base_type, format_type(b.atttypid, b.atttypmod)) order by u.place)
        as referenced_column_types
    from unnest(k.conkey, k.confkey) with ordinality as u (near, far, place)
    join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = u.near
    join pg_catalog.pg_attribute as b on b.attrelid = k.confrelid and b.attnum = u.far
    left join domains as c on c.oid = a.atttypid
    left join domains as d on d.oid = b.atttypid
  ) as part
),
-- Where a foreign key is enforced row by row: its table, or each leaf partition of it.
foreign_key_parts as (
  select f.oid as foreign_key_oid, f.oid, f.table_oid, f.attnums, f.referenced_oid, f.referenced_attnums,
    f.operators
  from foreign_keys as f
  union all
  select p.foreign_key_oid, k.oid, k.conrelid, k.conkey, p.referenced_oid, p.referenced_attnums, p.operators
  from foreign_key_parts as p
  join pg_catalog.pg_constraint as k
    on k.conparentid = p.oid and k.contype = 'f' and k.confrelid = p.referenced_oid
),
foreign_key_leaves as (
  select p.*
  from foreign_key_parts as p
  join pg_catalog.pg_class as c on c.oid = p.table_oid
  where c.relkind <> 'p' or not exists (select from pg_catalog.pg_inherits as h where h.inhparent = c.oid)
),
-- Indexes that answer "which rows refer to this one?": valid, led by the foreign key's columns in any
-- order, with an operator class and collation that know the key's equality. A partial one counts if
-- its predicate asks for nothing but the key's columns being not null (that follows from the equality).
foreign_key_indexes as (
  select l.foreign_key_oid, l.table_oid, i.indexrelid as index_oid, i.indpred is not null as is_partial
  from foreign_key_leaves as l
  join pg_catalog.pg_index as i on i.indrelid = l.table_oid
  join pg_catalog.pg_class as c on c.oid = i.indexrelid
  join pg_catalog.pg_am as am on am.oid = c.relam
  where i.indisvalid and i.indisready and i.indislive
    and am.amname in ('btree', 'hash', 'gist', 'spgist', 'gin')
    and (i.indkey::int2[])[0:least(cardinality(l.attnums), i.indnkeyatts) - 1] @> l.attnums
    and not exists (
      select from unnest(l.attnums, l.operators, l.referenced_attnums) as u (near, operator, far)
      join pg_catalog.pg_attribute as b on b.attrelid = l.referenced_oid and b.attnum = u.far
      cross join lateral (select array_position(i.indkey::int2[], u.near) as place) as p
      where (i.indcollation[p.place] <> 0 and i.indcollation[p.place] <> b.attcollation)
        or not exists (
          select from pg_catalog.pg_opclass as oc
          join pg_catalog.pg_amop as ao on ao.amopfamily = oc.opcfamily and ao.amoppurpose = 's'
          join pg_catalog.pg_operator as o on o.oid = u.operator
          where oc.oid = i.indclass[p.place] and ao.amopopr in (o.oid, o.oprcom)))
    and (i.indpred is null or not exists (
      select from regexp_split_to_table(pg_get_expr(i.indpred, i.indrelid), ' AND ') as condition
      where btrim(condition, '()') not in (
        select quote_ident(a.attname) || ' IS NOT NULL' from pg_catalog.pg_attribute as a
        where a.attrelid = l.table_oid and a.attnum = any (l.attnums))))
)
