-- title: Documented constraint that is not there
-- severity: P1
-- why: A document promises it by name, and reviews, tests and error messages rely on the name. What is missing, under
--   another name, or never validated keeps no promise.
-- remediation: Add it as the document has it; NOT VALID first keeps the lock short.
-- hipaa: 164.312(c)(1)
-- subject: documented constraints
-- promise: each is there, and holds
-- checked: select count(*) as checked from documented
select
  format('%s.%I', t.qualified, d.name) as object,
  case when k.oid is null then 'no such constraint' else 'never validated' end as detail,
  case when k.oid is null
    then format(E'alter table %1$s add constraint %2$I check (%3$s) not valid;\nalter table %1$s validate constraint %2$I;',
      t.qualified, d.name, d.condition)
    else format('alter table %s validate constraint %I;', t.qualified, d.name) end as remediation
from documented as d
join tables as t on t.name = d.table_name
left join checks as k on k.table_oid = t.oid and k.name = d.name
where k.oid is null or not k.is_valid
