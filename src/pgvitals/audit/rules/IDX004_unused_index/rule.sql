-- title: Index that no statement has used
-- severity: P3
-- why: It costs every write and gives nothing back, as far as this server's statistics tell: reads on a replica
--   are not in them, nor is the report that runs once a year. Only tables with 100 index scans or more are
--   judged, not counting checks of foreign keys; indexes that enforce something, or that a foreign key needs,
--   are not.
-- remediation: Watch it over a whole business cycle, then drop it.
-- references: DB-007
-- subject: indexes that are only there to be read
-- promise: each was used
-- checked: select count(*) as checked, (select text from since) as note,
--   case when not exists (select from table_use)
--     then 'no workload yet: no table has 100 index scans ' || (select text from since) end as not_applicable
--   from judged
select
  j.qualified as object,
  format('no scan %s, while the indexes of its table were scanned %s times; %s', (select text from since),
    j.table_scans, pg_size_pretty(s.bytes))
    || case when j.has_expression then '; the planner has statistics of its expression too' else '' end as detail,
  format('drop index %s%s;', case when j.is_partitioned then '' else 'concurrently ' end, j.qualified) as remediation
from judged as j
join index_sizes as s on s.oid = j.oid
where j.scans = 0
