-- title: Money in floating point
-- severity: P2
-- why: 0.1 + 0.2 is not 0.3 there: sums of prices depend on their order, and two invoices of the same lines differ.
-- remediation: Make it numeric; the table is rewritten under a lock.
-- hipaa: 164.312(c)(1)
-- subject: columns of money
-- promise: none is floating point
-- checked: select count(*) as checked from columns where name ~* '(^|_)(amount|price|cost|fee|total|balance|copay|charge)$'
select
  c.qualified as object,
  c.type as detail,
  format('alter table %1$s alter column %2$s type numeric(14, 2);', t.qualified, c.quoted) as remediation
from tables as t
join columns as c on c.table_oid = t.oid
where not t.is_partition and c.name ~* '(^|_)(amount|price|cost|fee|total|balance|copay|charge)$'
  and c.base_type in ('real', 'double precision', 'money')
