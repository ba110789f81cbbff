-- title: Foreign key whose type differs from what it refers to
-- severity: P2
-- why: A narrower column runs out before the key it refers to does, and a different type makes every join
--   convert one side. A domain counts as the type beneath it.
-- remediation: Give the referring column the type of the referenced one; the table is rewritten under a lock.
-- hipaa: 164.312(c)(1)
-- subject: foreign keys
-- promise: each has the type of the column it refers to
-- checked: select count(*) as checked from foreign_keys
select
  f.qualified as object,
  string_agg(format('%s is %s, %s.%s is %s', near, near_type, f.referenced_qualified, far, far_type), '; ' order by place)
    as detail,
  format('alter table %s ', f.table_qualified)
    || string_agg(format('alter column %1$s type %2$s using %1$s::%2$s', near, far_type), ', ' order by place) || ';'
    as remediation
from foreign_keys as f
cross join unnest(f.column_names, f.column_types, f.referenced_column_names, f.referenced_column_types)
  with ordinality as u (near, near_type, far, far_type, place)
where near_type <> far_type
group by f.oid, f.qualified, f.table_qualified
