-- title: Time of creation that may be missing
-- severity: P3
-- why: created_at answers when a row came to be, for disputes, retention and incremental copies. Where it may be null,
--   or has no default, what does not go through the application has none.
-- remediation: Let the database fill it, and forbid null.
-- hipaa: 164.312(b)
-- subject: times of creation
-- promise: the database fills each, and none may be null
-- checked: select count(*) as checked from columns where name in ('created_at', 'inserted_at', 'recorded_at')
select
  c.qualified as object,
  concat_ws(', ', case when not c.is_not_null then 'may be null' end, case when d.oid is null then 'has no default' end) as detail,
  concat_ws(E'\n',
    case when d.oid is null then format('alter table %s alter column %s set default now();', t.qualified, c.quoted) end,
    case when not c.is_not_null then format('alter table %s alter column %s set not null;', t.qualified, c.quoted) end) as remediation
from tables as t
join columns as c on c.table_oid = t.oid and c.name in ('created_at', 'inserted_at', 'recorded_at') and not c.is_generated
left join pg_catalog.pg_attrdef as d on d.adrelid = c.table_oid and d.adnum = c.attnum
where not t.is_partition and (d.oid is null or not c.is_not_null)
