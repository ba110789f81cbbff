-- title: Table without a primary key
-- severity: P1
-- why: Without a primary key a row has no name: it can be stored twice, an audit record cannot say which row
--   it speaks of, and logical replication refuses to update or delete it.
-- remediation: Promote a unique index over NOT NULL columns if there is one; else make the column that
--   names a row the primary key, or add one.
-- answers: DB-001
-- hipaa: 164.312(c)(1)
-- subject: tables
-- promise: each has a primary key
-- checked: select count(*) as checked from tables where carries_key
select
  t.qualified as object,
  'no primary key' || coalesce('; the unique index ' || u.quoted || ' over NOT NULL columns could be one', '') as detail,
  case
    when u.is_promotable then format('alter table %s add primary key using index %s;', t.qualified, u.quoted)
    when u.oid is not null then format('alter table %s add primary key (%s);', t.qualified, u.names)
    when t.has_id then format('alter table %s add primary key (id%s);', t.qualified, t.partition_names)
    when %(primary_key)s = 'uuid'
      then format('alter table %s add column id uuid not null default gen_random_uuid(), add primary key (id%s);',
        t.qualified, t.partition_names)
    when %(primary_key)s = 'any'
      then format('alter table %s add column id bigint generated always as identity, add primary key (id%s);',
        t.qualified, t.partition_names)
    else format(E'-- between the two statements the application fills the column with ULIDs\n'
      'alter table %1$s add column id varchar(26);\nalter table %1$s add primary key (id%2$s);',
      t.qualified, t.partition_names)
  end as remediation
from keyless as t
left join candidates as u on u.table_oid = t.oid
