-- title: Table that everybody may use
-- severity: P1
-- why: What is granted to PUBLIC is granted to every role there is and will be: to the one that makes backups, to the
--   one of another application. Row-level security does not tell them apart either.
-- remediation: Revoke it, and grant to the roles that need it.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- cis: 4.6
-- subject: tables, views and sequences
-- promise: none is open to PUBLIC
-- checked: select count(*) as checked from granted
select
  g.qualified as object,
  format('PUBLIC may %s', g.privileges) as detail,
  format('revoke all on %s %s from public;', g.kind, g.qualified) as remediation
from granted as g
where g.privileges is not null
