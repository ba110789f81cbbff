-- title: Constraint that was never validated
-- severity: P2
-- why: NOT VALID checks new rows only; whoever trusts the constraint trusts rows that nobody has looked at, and the
--   planner does not. One that is NOT ENFORCED (PostgreSQL 18) checks nothing at all.
-- remediation: Mend the rows that break it, then validate it.
-- hipaa: 164.312(c)(1)
-- subject: checks and foreign keys
-- promise: each holds for every row
-- checked: select count(*) as checked from constraints
select
  k.qualified as object,
  case when k.is_enforced then 'NOT VALID: rows from before it were never looked at'
    else 'NOT ENFORCED: no row is looked at' end as detail,
  case when k.is_enforced then format('alter table %s validate constraint %s;', k.table_qualified, k.quoted)
    when k.contype = 'f' then format('alter table %s alter constraint %s enforced;', k.table_qualified, k.quoted)
    else format('alter table %1$s drop constraint %2$s, add constraint %2$s %3$s;', k.table_qualified, k.quoted,
      replace(k.definition, ' NOT ENFORCED', '')) end as remediation
from constraints as k
where not k.is_valid or not k.is_enforced
