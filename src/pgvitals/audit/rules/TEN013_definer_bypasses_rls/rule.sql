-- title: SECURITY DEFINER function that looks past row-level security
-- severity: P1
-- why: Such a function runs with the rights of its owner. If no row-level security holds for that one (a superuser,
--   BYPASSRLS, or the owner of tables where it is not forced), every caller reads and writes any tenant's rows by it.
--   Trigger functions are left out: nobody can call them.
-- remediation: Let it run with the rights of its caller, or take EXECUTE away, or give it an owner that is not exempt.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- cis: 4.5
-- subject: SECURITY DEFINER functions that the application may call
-- promise: row-level security holds for the owner of each
-- checked: select count(*) as checked from callable
select
  f.signature as object,
  format('runs as %s, %s', f.owner_quoted, case when f.is_exempt_role then 'which no row-level security holds for'
    else 'which owns tenants'' tables on which it is not forced' end) as detail,
  format('alter routine %s security invoker;', f.signature) as remediation
from callable as f
where f.is_exempt_role or f.owns_unforced
