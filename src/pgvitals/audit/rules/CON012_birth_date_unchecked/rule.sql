-- title: Date of birth that may be any date
-- severity: P3
-- why: A birthday in the next century or in the year 2 is a typing error that decides doses and ages. Encrypted ones
--   are left out: there the application has to look.
-- remediation: Add a CHECK; a date cannot be compared with today in one, but with when the row was made.
-- hipaa: 164.312(c)(1)
-- subject: dates of birth
-- promise: a condition bounds each
-- checked: select count(*) as checked from births
select
  b.qualified as object,
  format('%s, and no condition', b.type) as detail,
  format('alter table %s add constraint %I check (%s between ''1900-01-01'' and ''2100-01-01'');', b.table_qualified,
    left('ck_' || b.table_name || '_' || b.name, 53) || '_plausible', b.quoted) as remediation
from births as b
where not exists (select from checks as k where k.table_oid = b.table_oid and k.is_enforced and b.attnum = any (k.attnums))
