-- title: JSON kept as text
-- severity: P3
-- why: The type json keeps the text as it came: each access parses it again, a key may be there twice, it cannot be
--   compared and no GIN index knows it.
-- remediation: Make it jsonb; the table is rewritten under a lock.
-- answers: DB-007
-- subject: columns of JSON
-- promise: each is jsonb
-- checked: select count(*) as checked from columns where base_type in ('json', 'jsonb')
select
  c.qualified as object,
  c.type as detail,
  format('alter table %1$s alter column %2$s type jsonb using %2$s::jsonb;', t.qualified, c.quoted) as remediation
from tables as t
join columns as c on c.table_oid = t.oid
where not t.is_partition and c.base_type = 'json'
