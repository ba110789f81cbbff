-- title: Index that no statement has used
-- severity: P3
-- why: It costs every write and gives nothing back, as far as this server's statistics tell: reads on a replica
--   are not in them, nor is the report that runs once a year. Only tables with 100 index scans or more are
--   judged, not counting checks of foreign keys. Not judged is what enforces something (unique, exclusion,
--   replica identity), and one index for each foreign key, by which deleting a row or changing its key finds
--   the rows that refer to it: one that enforces something or was used if there is one, else the smallest.
-- remediation: Watch it over a whole business cycle, then drop it.
-- answers: DB-007
-- subject: indexes that are only there to be read
-- promise: each was used
-- checked: select count(*) as checked,
--   concat_ws('; ', (select text from left_out), (select text from since)) as note,
--   case when not exists (select from table_use)
--       then 'no workload yet: no table has 100 index scans ' || (select text from since)
--     when count(*) = 0
--       then concat_ws('; ', 'no index to judge', (select text from left_out)) end as not_applicable
--   from judged
select
  j.qualified as object,
  format('none of the %s index scans on its table; %s', j.table_scans, pg_size_pretty(j.bytes))
    || case when j.has_expression then '; the planner has statistics of its expression too' else '' end as detail,
  format('drop index %s%s;', case when j.is_partitioned then '' else 'concurrently ' end || 'if exists ', j.qualified) as remediation
from judged as j
where j.scans = 0
