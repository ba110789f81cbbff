-- title: Deleted rows that the application sees
-- severity: P2
-- why: A row that is deleted softly stands in every list whose query forgot to leave it out: a former patient, a
--   withdrawn consent. Row-level security leaves it out of all of them. A system whose application does so by itself
--   says deleted_rows = "visible" in its policy.
-- remediation: Leave deleted rows out by a restrictive policy for SELECT; what restores them has a role of its own.
-- hipaa: 164.312(a)(1)
-- subject: tables that are deleted softly
-- promise: the application does not see deleted rows
-- checked: select count(*) as checked,
--   case when %(deleted_rows)s = 'visible' then 'the policy leaves it to the application' end as not_applicable
--   from seen
select
  s.qualified as object,
  format('nothing leaves out rows that %s marks as deleted', s.mark_quoted) as detail,
  format('create policy not_deleted on %s as restrictive for select using (%s is null);', s.qualified, s.mark_quoted)
    || case when s.has_rls then '' else format(E'\ncreate policy everybody on %1$s using (true);\n'
      'alter table %1$s enable row level security, force row level security;', s.qualified) end as remediation
from seen as s
where not exists (
  select from policies as p
  where p.table_oid = s.table_oid and s.has_rls and p.command in ('*', 'r') and position(s.mark_quoted in p.shows) > 0)
