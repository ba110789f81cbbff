-- title: Timestamp without time zone
-- severity: P2
-- why: It does not say which moment it means: the same value is another one for a client in another zone, an hour of
--   each autumn is there twice, and a dose at 02:30 is before or after the one at 02:45.
-- remediation: Make it timestamptz; what is stored was meant in a zone, UTC as a rule. The table is rewritten.
-- hipaa: 164.312(b); 164.312(c)(1)
-- subject: columns of moments
-- promise: each has its time zone
-- checked: select count(*) as checked from columns where base_type ~ '^timestamp'
select
  c.qualified as object,
  c.type as detail,
  case when c.base_type like '%[]'
    then format(E'-- in a session whose time zone is the one that was meant\nalter table %s alter column %s type timestamptz[];', t.qualified, c.quoted)
    else format('alter table %1$s alter column %2$s type timestamptz using %2$s at time zone ''UTC'';', t.qualified, c.quoted) end as remediation
from tables as t
join columns as c on c.table_oid = t.oid
where not t.is_partition and c.base_type ~ '^timestamp.*without time zone'
