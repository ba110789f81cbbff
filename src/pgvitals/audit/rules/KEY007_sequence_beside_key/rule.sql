-- title: Sequence beside a UUID or ULID key
-- severity: P3
-- why: A serial or identity column next to the real key is a second name for the row: it tells how many rows
--   there are and in which order they came, differs between databases, and gets used as a key by mistake.
-- remediation: Stop filling it, then drop it once nothing reads it; a number that people need (an invoice
--   number) deserves a waiver with that reason.
-- answers: DB-001
-- subject: tables with a primary key
-- promise: none has a sequence beside it
-- checked: select count(*) as checked from primary_keys as k join tables as t on t.oid = k.table_oid
--   where not t.is_partition
select
  c.qualified as object,
  format('%s, filled by a sequence, beside the primary key %s', c.type, n.names) as detail,
  format(E'alter table %1$s alter column %2$s %3$s, alter column %2$s drop not null;\n'
    '-- once nothing reads it: alter table %1$s drop column %2$s;', t.qualified, c.quoted,
    case when c.is_identity then 'drop identity' else 'drop default' end) as remediation
from tables as t
join primary_keys as k on k.table_oid = t.oid
join sequence_columns as c on c.table_oid = t.oid and c.attnum <> all (k.attnums)
join (
  select k.table_oid, string_agg(a.quoted || ' ' || a.type, ', ' order by array_position(k.attnums, a.attnum)) as names
  from primary_keys as k
  join columns as a on a.table_oid = k.table_oid and a.attnum = any (k.attnums)
  group by k.table_oid
) as n on n.table_oid = t.oid
where not t.is_partition
