-- title: More superusers than one
-- severity: P2
-- why: A superuser reads every row, of whatever tenant, and can change the audit trail and switch off what guards it.
--   One that can log in, beside the one that every cluster is made with, is one more password that opens everything.
-- remediation: Take the attribute away; grant what the role needs, pg_monitor or pg_read_all_stats for example.
-- hipaa: 164.312(a)(1); 164.312(a)(2)(i)
-- cis: 4.3
-- of_server: yes
-- subject: roles that can log in
-- promise: none but the cluster's own is a superuser
-- checked: select count(*) as checked from pg_catalog.pg_roles where rolcanlogin
select
  format('role %I', r.rolname) as object,
  'a superuser that can log in' as detail,
  format('alter role %I nosuperuser;', r.rolname) as remediation
from pg_catalog.pg_roles as r
where r.rolsuper and r.rolcanlogin and r.oid <> 10
