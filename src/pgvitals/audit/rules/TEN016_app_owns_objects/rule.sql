-- title: Table that the application owns
-- severity: P0
-- why: The owner of a table can switch its row-level security off, drop its triggers and grant its rows to anybody; no
--   privilege can be kept from it. What the application's password opens must not be the owner.
-- remediation: Give the table to the role that migrates.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- cis: 4.3
-- subject: tables, views and functions
-- promise: the application owns none
-- checked: select (select count(*) from relations) + (select count(*) from functions) as checked,
--   case when not exists (select from app_roles) then format('there is no role %I here', %(app_role)s) end as not_applicable
select r.qualified as object, format('its owner is %s', a.quoted) as detail,
  format('alter %s %s owner to %I;', r.kind, r.qualified, %(owner_role)s) as remediation
from relations as r
join app_roles as a on a.oid = r.owner_oid
union all
select f.signature, format('its owner is %s', a.quoted), format('alter routine %s owner to %I;', f.signature, %(owner_role)s)
from functions as f
join app_roles as a on a.oid = f.owner_oid
