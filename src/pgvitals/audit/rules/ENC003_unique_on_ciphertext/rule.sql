-- title: Unique on ciphertext
-- severity: P1
-- why: Two encryptions of one value differ, so a unique index on them never refuses anything: the rule that it seems
--   to keep (one client an e-mail) is not kept.
-- remediation: Drop it, and make a keyed hash of the value unique (a blind index).
-- hipaa: 164.312(c)(1); 164.312(a)(2)(iv)
-- subject: columns of ciphertext
-- promise: none is meant to be unique
-- checked: select count(*) as checked from sealed_columns
select
  i.qualified as object,
  format('unique over ciphertext, so it refuses nothing: %s', string_agg(c.quoted, ', ' order by array_position(i.key_attnums, c.attnum)))
    as detail,
  case when i.constraint_quoted is not null
    then format('alter table %s drop constraint %s;', i.table_qualified, i.constraint_quoted)
    else format('drop index %s%s;', case when i.is_partitioned then '' else 'concurrently ' end, i.qualified) end as remediation
from indexes as i
join sealed_columns as c on c.table_oid = i.table_oid and c.attnum = any (i.key_attnums)
where (i.is_unique or i.is_exclusion) and not i.is_attached
group by i.oid, i.qualified, i.table_qualified, i.constraint_quoted, i.is_partitioned
