-- title: Foreign key that is switched off
-- severity: P1
-- why: ALTER TABLE … DISABLE TRIGGER ALL, for a load that should be fast, stops foreign keys and deferrable constraints
--   from being checked. They still look valid, and nothing checks later what came in meanwhile.
-- remediation: Enable the triggers; then validate what came in, for example by adding the foreign key again.
-- hipaa: 164.312(c)(1)
-- subject: constraints that triggers check
-- promise: the triggers of each are on
-- checked: select count(distinct g.tgconstraint) as checked from tables as t
--   join pg_catalog.pg_trigger as g on g.tgrelid = t.oid and g.tgisinternal and g.tgconstraint <> 0
select
  format('%s.%I', t.qualified, k.conname) as object,
  'its triggers are off, so nothing checks it' as detail,
  string_agg(distinct format('alter table %s enable trigger all;', t.qualified), E'\n') as remediation
from tables as t
join pg_catalog.pg_trigger as g on g.tgrelid = t.oid and g.tgisinternal and g.tgconstraint <> 0 and g.tgenabled = 'D'
join pg_catalog.pg_constraint as k on k.oid = g.tgconstraint
group by t.qualified, k.conname
