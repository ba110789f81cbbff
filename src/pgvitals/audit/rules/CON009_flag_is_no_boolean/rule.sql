-- title: Flag that is no boolean
-- severity: P3
-- why: 'Y', 'y', '1', 'true' and null all mean yes to somebody. A boolean has two values, and null if it is allowed.
-- remediation: Make it boolean; the table is rewritten under a lock.
-- hipaa: 164.312(c)(1)
-- subject: columns named like a flag
-- promise: each is a boolean
-- checked: select count(*) as checked from columns where name ~* '^(is|has|can)_'
select
  c.qualified as object,
  c.type as detail,
  format('alter table %1$s alter column %2$s drop default, alter column %2$s type boolean using lower(%2$s::text) in (''1'', ''t'', ''true'', ''y'', ''yes'');',
    t.qualified, c.quoted) as remediation
from tables as t
join columns as c on c.table_oid = t.oid
where not t.is_partition and c.name ~* '^(is|has|can)_' and c.base_type ~ '^(text|character|smallint|integer|bigint|bit|"char")'
