-- title: SECURITY DEFINER function without a search_path of its own
-- severity: P1
-- why: It runs with its owner's rights and looks names up where the caller says: whoever can create a table or an
--   operator in a schema of that path has their own code run as the owner.
-- remediation: Set the path in the function, pg_temp last; qualify every name that is elsewhere.
-- hipaa: 164.312(a)(1)
-- cis: 4.5
-- subject: SECURITY DEFINER functions
-- promise: each has a search_path of its own
-- checked: select count(*) as checked from functions where is_security_definer
select
  f.signature as object,
  'names are looked up where the caller says' as detail,
  format('alter routine %s set search_path = %I, pg_catalog, pg_temp;', f.signature, %(schema)s) as remediation
from functions as f
where f.is_security_definer
  and not exists (select from unnest(f.settings) as setting where starts_with(setting, 'search_path='))
