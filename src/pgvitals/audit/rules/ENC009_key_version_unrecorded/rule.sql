-- title: Ciphertext whose key nobody records
-- severity: P2
-- why: A key has to be changed some day, at once if it is lost. Then every value has to say which key opens it: by a
--   column beside it, or in its own first bytes with a table of keys and their versions.
-- remediation: Record the version of the key beside the value, or in it with a table of keys.
-- hipaa: 164.312(a)(2)(iv)
-- subject: tables with ciphertext
-- promise: something records the version of the key
-- checked: select count(distinct table_oid) as checked,
--   (select 'versions of keys are in ' || string_agg(qualified, ', ' order by qualified) from key_tables) as note
--   from sealed_columns
select
  c.table_qualified as object,
  format('no key version beside %s, and no table of keys', string_agg(c.quoted, ', ' order by c.attnum)) as detail,
  format('alter table %s add column key_version integer not null default 1;', c.table_qualified) as remediation
from sealed_columns as c
where not exists (select from key_tables)
  and not exists (
    select from columns as v
    where v.table_oid = c.table_oid and v.name ~ '(^|_)(key|kek|dek)_?(version|id|ref)$')
group by c.table_oid, c.table_qualified
