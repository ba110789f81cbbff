-- title: Tenant column without an index
-- severity: P2
-- why: Row-level security adds the tenant to every statement. Without an index led by it, each of them reads the rows
--   of all tenants, and deleting a tenant reads the whole table. A partial index does not count, nor does BRIN.
-- remediation: Create an index led by the tenant; behind it, what the table is asked for most.
-- answers: DB-007
-- hipaa: 164.312(a)(1)
-- subject: tenant columns
-- promise: each leads an index
-- checked: select count(*) as checked from tenant_members where tenant_quoted is not null
select
  m.tenant_qualified as object,
  'leads no index' || coalesce('; only partly: ' || (
    select string_agg(format('%s where %s', i.quoted, i.predicate), ', ' order by i.quoted) from indexes as i
    where i.table_oid = m.oid and i.is_valid and i.predicate is not null and i.key_attnums[1] = m.tenant_attnum), '')
    as detail,
  format('create index %son %s (%s);', case when t.is_partitioned then '' else 'concurrently ' end, m.qualified,
    m.tenant_quoted) as remediation
from tenant_members as m
join tables as t on t.oid = m.oid
where m.tenant_quoted is not null
  and m.oid not in (
    select i.table_oid from indexes as i
    join tenant_members as led on led.oid = i.table_oid and i.key_attnums[1] = led.tenant_attnum
    where i.is_valid and i.predicate is null and i.method <> 'brin')
