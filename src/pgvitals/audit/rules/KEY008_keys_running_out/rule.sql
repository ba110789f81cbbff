-- title: Key whose numbers are running out
-- severity: P2
-- why: A column of 32 bits ends at 2,147,483,647; the insert after that fails, and so does every one that refers to it.
--   Told from half of what the column and its sequence can count to, since changing the type of a large key takes
--   time, and a plan.
-- remediation: Make the column a bigint, and what refers to it; the table is rewritten under a lock.
-- answers: DB-001
-- hipaa: 164.312(c)(1)
-- subject: columns that a sequence fills
-- promise: each has half of its numbers left
-- checked: select count(*) as checked from filled
select
  f.qualified as object,
  format('%s %% of the numbers that a %s can hold are used', floor(100 * f.used / f.most), f.base_type) as detail,
  format(E'alter table %1$s alter column %2$s type bigint;\nalter sequence %3$s as bigint maxvalue 9223372036854775807;',
    f.table_qualified, f.quoted, f.sequence) as remediation
from filled as f
where f.used >= f.most / 2 and f.base_type <> 'bigint'
