-- title: Status that may be any text
-- severity: P3
-- why: 'Cancelled', 'canceled' and 'cancelled ' are three statuses, and a partial index or a report knows one. A CHECK,
--   an enum or a foreign key to a table of them keeps the list.
-- remediation: Add a CHECK with the words that the application knows; NOT VALID first shows which others there are.
-- hipaa: 164.312(c)(1)
-- subject: columns of a status
-- promise: each has a list of what it may hold
-- checked: select count(*) as checked from statuses
select
  s.qualified as object,
  format('%s, and no condition', s.type) as detail,
  format('-- with the words that the application knows: alter table %s add constraint %I check (%s in (…)) not valid;',
    s.table_qualified, left('ck_' || s.table_name || '_' || s.name, 57) || '_known', s.quoted) as remediation
from statuses as s
where not exists (select from checks as k where k.table_oid = s.table_oid and k.is_enforced and s.attnum = any (k.attnums))
  and not exists (
    select from pg_catalog.pg_constraint as f
    where f.conrelid = s.table_oid and f.contype = 'f' and s.attnum = any (f.conkey))
