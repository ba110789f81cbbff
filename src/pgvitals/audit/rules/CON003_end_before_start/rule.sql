-- title: End that may come before its start
-- severity: P2
-- why: A visit that ends before it begins is in no calendar, or in all of them; a range made of the two raises an error
--   in whatever reads it. Told for pairs named start and end, from and to (or until), since and until, begin and end.
-- remediation: Add a CHECK; NOT VALID first keeps the lock short.
-- hipaa: 164.312(c)(1)
-- subject: pairs of a start and an end
-- promise: a condition compares each
-- checked: select count(*) as checked from pairs
select
  p.end_qualified as object,
  format('nothing compares it with %s', p.start_quoted) as detail,
  case when p.is_partitioned
    then format('alter table %s add check (%s >= %s);', p.table_qualified, p.end_quoted, p.start_quoted)
    else format(E'alter table %1$s add constraint %2$I check (%3$s >= %4$s) not valid;\n'
      'alter table %1$s validate constraint %2$I;',
      p.table_qualified, left('ck_' || p.table_name || '_' || p.end_name || '_not_before', 63), p.end_quoted, p.start_quoted)
  end as remediation
from pairs as p
where not exists (
    select from checks as k
    where k.table_oid = p.table_oid and k.is_enforced and k.attnums @> array[p.start_attnum, p.end_attnum])
  and not exists (
    select from indexes as i
    where i.table_oid = p.table_oid and i.is_exclusion
      and exists (select from unnest(i.key_names) as key where position(p.start_quoted in key) > 0 and position(p.end_quoted in key) > 0))
