-- title: Index in which the tenant does not come first
-- severity: P3
-- why: Every statement asks for one tenant. An index that begins with another column and holds the tenant behind it
--   goes through the entries of all tenants with that value. Unique indexes are left alone: what they enforce does
--   not depend on the order; so is an index that a foreign key of its leading columns needs.
-- remediation: Build it again with the tenant in front, then drop this one.
-- answers: DB-007
-- hipaa: 164.312(a)(1)
-- subject: indexes that hold the tenant
-- promise: it comes first in each
-- checked: select count(*) as checked from tenant_indexes
select
  i.qualified as object,
  format('the tenant %s comes after %s', i.tenant_quoted, i.key_names[1]) as detail,
  format(E'%s;\ndrop index %s%s;',
    format('create index %son %s using %s (%s)%s', i.concurrently, i.table_qualified, i.method,
      array_to_string(i.tenant_quoted || array_remove(i.key_names, i.tenant_quoted), ', '),
      coalesce(' where ' || i.predicate, '')),
    i.concurrently, i.qualified) as remediation
from tenant_indexes as i
where i.key_attnums[1] <> i.tenant_attnum and not i.is_unique and not i.is_exclusion
  and i.oid not in (select f.index_oid from foreign_key_indexes as f)
