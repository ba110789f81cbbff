-- title: Index on ciphertext
-- severity: P2
-- why: The same text, encrypted twice, is two different values in no order: such an index answers no question, and
--   every write pays for it.
-- remediation: Drop it; to find a value, index a keyed hash of it (a blind index) in a column of its own.
-- answers: DB-007
-- hipaa: 164.312(a)(2)(iv)
-- subject: columns of ciphertext
-- promise: no index is led by one, or orders by one
-- checked: select count(*) as checked from sealed_columns
select
  i.qualified as object,
  format('its key holds ciphertext: %s', string_agg(c.quoted, ', ' order by array_position(i.key_attnums, c.attnum))) as detail,
  format('drop index %s%s;', case when i.is_partitioned then '' else 'concurrently ' end, i.qualified) as remediation
from indexes as i
join sealed_columns as c on c.table_oid = i.table_oid and c.attnum = any (i.key_attnums)
where not i.is_unique and not i.is_exclusion and not i.is_attached
group by i.oid, i.qualified, i.is_partitioned
