-- title: Key written into a function
-- severity: P0
-- why: Whoever may read the catalog reads every function's source, and so does every dump of the schema: the key lies
--   beside what it locks. Told where a function or a default passes a literal as the key of pgcrypto's functions.
-- remediation: Encrypt in the application; at least pass the key as a parameter, and change the one that was written.
-- hipaa: 164.312(a)(2)(iv); 164.312(d)
-- cis: 6.11
-- subject: functions and defaults
-- promise: none holds the key that it encrypts with
-- checked: select (select count(*) from functions) + (select count(*) from defaults) as checked
select object, 'passes a literal as the key' as detail,
  '-- change the key, and pass the new one as a parameter; better, encrypt in the application' as remediation
from (
  select f.signature as object, f.definition from functions as f
  union all
  select d.object, d.definition from defaults as d
) as o
where o.definition ~* '\m(pgp_sym_(en|de)crypt(_bytea)?|(en|de)crypt(_iv)?|hmac)\s*\(\s*([^(),'']|''[^'']*''|\([^()]*\))+,\s*''[^'']+'''
