-- title: Health data stored readable
-- severity: P0
-- why: Whoever gets at a backup, a replica, a disk or a superuser's session reads it. A column counts as encrypted if it
--   is bytea, or its name says that it holds ciphertext; whether it really does, a probe finds out. A system that
--   leaves encryption to the storage says so in its policy, and then no database can tell.
-- remediation: Encrypt it in the application, under a key that the database never sees, then drop the readable column.
-- hipaa: 164.312(a)(2)(iv)
-- cis: 6.11
-- subject: columns of health data
-- promise: none is readable
-- checked: select count(*) as checked,
--   case when %(phi_encryption)s = 'storage'
--     then 'the policy leaves encryption to the storage, which the database cannot see' end as not_applicable
--   from health_columns
select
  c.qualified as object,
  format('%s, readable', c.type) as detail,
  format('-- encrypt it in the application, then: alter table %s drop column %s;', c.table_qualified, c.quoted) as remediation
from health_columns as c
where not c.is_sealed
