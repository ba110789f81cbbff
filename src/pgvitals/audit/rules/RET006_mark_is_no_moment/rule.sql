-- title: Deletion without its time
-- severity: P3
-- why: A flag says that a row is deleted, and not since when: nobody can tell when its time of retention is over, nor
--   who has seen it until then.
-- remediation: Keep the moment, and let the flag go; what is marked already gets today's.
-- hipaa: 164.316(b)(2)(i)
-- subject: marks of deleted rows
-- promise: each says when
-- checked: select count(*) as checked from marks
select
  m.qualified as object,
  format('%s, which does not say when', m.type) as detail,
  case when m.base_type = 'boolean'
    then format(E'alter table %1$s add column deleted_at timestamptz;\nupdate %1$s set deleted_at = now() where %2$s;\n'
      'alter table %1$s drop column %2$s;', m.table_qualified, m.quoted)
    else format('alter table %1$s alter column %2$s type timestamptz;', m.table_qualified, m.quoted) end as remediation
from marks as m
where not m.is_moment
