-- title: Unique index that counts deleted rows
-- severity: P2
-- why: A row that is deleted softly keeps its name or address: whoever comes back, or takes it over, is refused by a row
--   that nobody sees. Ids, references and hashes are left alone, and values that the policy reserves for ever.
-- remediation: Leave deleted rows out of it; or name the column in reserved_columns if its values are never given again.
-- hipaa: 164.312(c)(1)
-- subject: unique indexes of tables that are deleted softly
-- promise: none counts deleted rows
-- checked: select count(*) as checked from uniques
select
  u.qualified as object,
  format('(%s) counts rows that %s marks as deleted', array_to_string(u.key_names, ', '), u.mark_quoted) as detail,
  case when u.constraint_quoted is not null
    then format(E'alter table %1$s drop constraint %2$s;\ncreate unique index %3$s on %1$s (%4$s) where %5$s is null;',
      u.table_qualified, u.constraint_quoted, u.constraint_quoted, array_to_string(u.key_names, ', '), u.mark_quoted)
    else format(E'drop index %1$s;\ncreate unique index %2$s on %3$s using %4$s (%5$s) where %6$s%7$s is null;', u.qualified, u.quoted,
      u.table_qualified, u.method, array_to_string(u.key_names, ', '), coalesce(u.predicate || ' and ', ''), u.mark_quoted)
  end as remediation
from uniques as u
where u.is_natural
