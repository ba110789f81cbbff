-- title: Audit trail that does not say who, whose, what or when
-- severity: P1
-- why: A record of a change has to name who made it, for which tenant, which row of which table, what was done, and
--   when, as the database's clock has it. The columns are known by their names; the time by its type, and NOT NULL.
-- remediation: Add what is missing, and let the trigger fill it.
-- answers: DB-003
-- hipaa: 164.312(b)
-- subject: audit trails
-- promise: each says who, whose, what and when
-- checked: select count(*) as checked from trails
select
  t.qualified as object,
  'no column says ' || string_agg(m.what, ', ' order by m.place) as detail,
  format('alter table %s %s;', t.qualified, string_agg('add column ' || m.cure, ', ' order by m.place)) as remediation
from trails as t
join missing as m on m.table_oid = t.oid
group by t.qualified
