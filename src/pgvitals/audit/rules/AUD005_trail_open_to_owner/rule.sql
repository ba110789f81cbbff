-- title: Audit trail that its owner may change
-- severity: P1
-- why: Rights hold nobody back who owns the table: a migration, a clean-up script, somebody who has the owner's
--   password. A trigger that raises an error does, and leaves a trace when it is dropped. UPDATE, DELETE and TRUNCATE
--   each need one.
-- remediation: Refuse all three by a trigger of statements that raises an error.
-- answers: DB-003
-- hipaa: 164.312(b); 164.312(c)(1)
-- subject: audit trails
-- promise: a trigger refuses UPDATE, DELETE and TRUNCATE
-- checked: select count(*) as checked from trails
select
  t.qualified as object,
  'no trigger refuses ' || string_agg(e.event, ', ' order by e.place) as detail,
  format(E'create or replace function %1$I.refuse_change_of_%2$s() returns trigger language plpgsql '
    'set search_path = pg_catalog, pg_temp as $$ begin raise exception ''%% is append-only: %% is refused'', '
    'tg_table_name, tg_op using errcode = ''insufficient_privilege''; end $$;\n'
    'create trigger %3$I before %4$s on %5$s for each statement execute function %1$I.refuse_change_of_%2$s();',
    %(schema)s, %(audit_table)s, 'refuse_' || string_agg(e.event, '_' order by e.place),
    string_agg(e.event, ' or ' order by e.place), t.qualified) as remediation
from trails as t
cross join (values (1, 'update'), (2, 'delete'), (3, 'truncate')) as e (place, event)
where not exists (
  select from triggers as g where g.table_oid = t.oid and g.refuses and g.is_enabled and e.event = any (g.events))
group by t.qualified
