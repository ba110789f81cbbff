-- title: Rule that swallows writes
-- severity: P0
-- why: DO INSTEAD NOTHING answers a write with success and does nothing: nobody learns that it was tried, foreign keys
--   that have to write there fail in another place, and TRUNCATE passes it by.
-- remediation: Drop it, and let a trigger raise an error.
-- answers: DB-003
-- hipaa: 164.312(b); 164.312(c)(1)
-- subject: tables
-- promise: no rule turns a write on them into nothing
-- checked: select count(*) as checked from tables
select
  t.qualified || '.' || quote_ident(r.rulename) as object,
  format('%s does nothing, and says that it was done',
    case r.ev_type when '2' then 'UPDATE' when '3' then 'INSERT' else 'DELETE' end) as detail,
  format('drop rule %I on %s;', r.rulename, t.qualified) as remediation
from tables as t
join pg_catalog.pg_rewrite as r on r.ev_class = t.oid and r.ev_type in ('2', '3', '4') and r.is_instead
  and pg_get_ruledef(r.oid) ~ 'DO INSTEAD NOTHING;$'
