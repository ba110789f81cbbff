-- title: Number kept in a text
-- severity: P3
-- why: '10' sorts before '9', ' 7' is not '7', and 'none' is taken without a word; each sum casts every row, and fails
--   at one. Told for columns that are named like a count, an amount or a length of time.
-- remediation: Give it a type of numbers; the table is rewritten under a lock.
-- hipaa: 164.312(c)(1)
-- subject: columns named like a number
-- promise: none is a text
-- checked: select count(*) as checked from numbers
select
  n.qualified as object,
  n.type as detail,
  format('alter table %1$s alter column %2$s drop default, alter column %2$s type %3$s using nullif(btrim(%2$s), '''')::%3$s;',
    n.table_qualified, n.quoted, case when n.is_money then 'numeric' else 'bigint' end) as remediation
from numbers as n
where n.base_type ~ '^(text|character)'
