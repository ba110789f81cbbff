key_tables as (
  select t.qualified
  from tables as t
  where t.name ~ 'keys?$'
    and exists (select from columns as v where v.table_oid = t.oid and v.name ~ '(^|_)version$')
    and exists (select from columns as k where k.table_oid = t.oid and k.name ~ '(wrapped|encrypted|kms|key)')
)
