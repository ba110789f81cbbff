-- title: Unique across all tenants
-- severity: P2
-- why: A unique index on a name or an address that leaves the tenant out lets one tenant find out what others have
--   (an insert fails where nothing is to be seen), and take it from them. Ids, references and hashes are left alone.
-- remediation: Put the tenant in front of it.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- subject: unique indexes of tenant tables
-- promise: none is unique across tenants that means something inside of one
-- checked: select count(*) as checked from tenant_uniques
select
  u.qualified as object,
  format('(%s) is unique across all tenants', array_to_string(u.key_names, ', ')) as detail,
  case
    when u.constraint_quoted is not null
      then format('alter table %s drop constraint %s, add unique (%s, %s);', u.table_qualified, u.constraint_quoted,
        u.tenant_quoted, array_to_string(u.key_names, ', '))
    else format(E'create unique index %1$son %2$s using %3$s (%4$s, %5$s)%6$s;\ndrop index %1$s%7$s;',
      case when u.is_partitioned then '' else 'concurrently ' end, u.table_qualified, u.method, u.tenant_quoted,
      array_to_string(u.key_names, ', '), coalesce(' where ' || u.predicate, ''), u.qualified)
  end as remediation
from tenant_uniques as u
where u.is_natural
