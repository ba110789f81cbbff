-- title: Index led by a column with few values
-- severity: P3
-- why: If every value is held by a tenth of the rows or more, reading the table is as fast as going through the
--   index. Told for an index on that column alone, and for any index whose first column holds one value only;
--   behind a column of several values, more columns can well be worth it.
-- remediation: Drop it; if one rare value is what is looked for, make a partial index for that value.
-- answers: DB-007
-- subject: indexes of tables from 10,000 rows on
-- promise: the first column of each tells rows apart
-- checked: select count(*) as checked,
--   case when count(*) = 0 then 'no index of a table with 10,000 rows or more has statistics to judge by (ANALYZE)' end
--     as not_applicable
--   from judged
select
  j.qualified as object,
  case when j.n_distinct = 1 then format('%s holds one value in %s rows', j.column_quoted, j.row_estimate)
    else format('%s holds %s values in %s rows, the rarest in %s %% of them', j.column_quoted, j.n_distinct,
      j.row_estimate, round((100 * j.rarest)::numeric, 1)) end as detail,
  format('drop index %s%s;', case when j.is_partitioned then '' else 'concurrently ' end, j.qualified) as remediation
from judged as j
where j.n_distinct between 1 and 10 and j.listed = j.n_distinct and j.rarest >= 0.1
  and (j.key_count = 1 or (j.n_distinct = 1 and j.null_frac = 0))
