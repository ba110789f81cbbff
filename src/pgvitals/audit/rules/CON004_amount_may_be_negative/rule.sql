-- title: Count or amount that may be negative
-- severity: P3
-- why: Minus one session, minus thirty minutes: what only the application forbids comes in by the first import, and
--   every sum hides it. Told for numbers named like a count, a price or a length of time that no CHECK speaks of.
-- remediation: Add a CHECK; NOT VALID first keeps the lock short.
-- hipaa: 164.312(c)(1)
-- subject: columns of counts, prices and lengths of time
-- promise: a condition bounds each
-- checked: select count(*) as checked from amounts
select
  a.qualified as object,
  format('%s, and no condition', a.type) as detail,
  case when a.is_partitioned then format('alter table %s add check (%s >= 0);', a.table_qualified, a.quoted)
    else format(E'alter table %1$s add constraint %2$I check (%3$s >= 0) not valid;\nalter table %1$s validate constraint %2$I;',
      a.table_qualified, left('ck_' || a.table_name || '_' || a.name, 50) || '_not_negative', a.quoted) end as remediation
from amounts as a
where not exists (select from checks as k where k.table_oid = a.table_oid and k.is_enforced and a.attnum = any (k.attnums))
