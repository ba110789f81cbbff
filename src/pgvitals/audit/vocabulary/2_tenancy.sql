-- Whose rows are whose, and who may see them: roles, tenant tables and their children, policies.

-- The application's role, if it is here; a policy may speak of one that is not.
app_roles as (
  select r.oid, quote_ident(r.rolname) as quoted, r.rolsuper as is_superuser, r.rolbypassrls as bypasses_rls
  from pg_catalog.pg_roles as r
  where r.rolname = %(app_role)s
),
-- Tables whose rows belong to a tenant: tenant tables (says the policy), and children, which say by a foreign key
-- whose they are: those that the policy names, and those that refer to one of these and carry no tenant themselves.
-- A table that the policy shares is nobody's. Partitions are left to what they are partitions of.
member_steps as (
  select t.oid, 'tenant' as kind, null::oid as foreign_key_oid, null::oid as parent_oid, 0 as depth
  from tables as t
  where t.name = any (%(tenant_tables)s::text[]) and not t.is_partition
  union
  select t.oid, 'child', f.oid, s.oid, s.depth + 1
  from member_steps as s
  join pg_catalog.pg_constraint as f on f.confrelid = s.oid and f.contype = 'f' and f.conparentid = 0
  join tables as t on t.oid = f.conrelid and t.oid <> s.oid and not t.is_partition
  where s.depth < 8 and t.name not in (%(tenant_table)s, %(audit_table)s)
    and t.name <> all (%(tenant_tables)s::text[] || %(shared_tables)s::text[])
    and not exists (
      select from pg_catalog.pg_attribute as a
      where a.attrelid = t.oid and a.attname = %(tenant_column)s and not a.attisdropped)
),
tenant_members as (
  select distinct on (t.oid) t.oid, t.name, t.qualified, t.owner_oid, t.has_rls, t.forces_rls, s.kind,
    s.foreign_key_oid, s.parent_oid, c.attnum as tenant_attnum, c.quoted as tenant_quoted, c.base_type as tenant_type,
    c.is_not_null as tenant_is_not_null, c.qualified as tenant_qualified
  from member_steps as s
  join tables as t on t.oid = s.oid
  left join tables as parent on parent.oid = s.parent_oid
  left join columns as c on c.table_oid = t.oid and c.name = %(tenant_column)s
  -- the parent that the policy names, else the nearest
  order by t.oid, s.kind desc,
    (parent.name is not distinct from (%(child_parents)s::text[])[array_position(%(child_tables)s::text[], t.name)]) desc,
    s.depth, s.foreign_key_oid
),
-- The table of tenants itself.
tenant_roots as (
  select t.oid, t.name, t.qualified, t.has_rls, t.forces_rls, t.owner_oid, c.quoted as key_quoted, c.base_type as key_type
  from tables as t
  left join primary_keys as k on k.table_oid = t.oid and cardinality(k.attnums) = 1
  left join columns as c on c.table_oid = t.oid and c.attnum = k.attnums[1]
  where t.name = %(tenant_table)s
),
-- Functions of the schema; the definition holds the body, whether it is a string or parsed.
functions as (
  select p.oid, quote_ident(p.proname) as quoted, format('%I.%I', n.nspname, p.proname) as qualified,
    format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) as signature,
    p.prosecdef as is_security_definer, p.proowner as owner_oid, p.provolatile as volatility,
    p.prorettype in ('trigger'::regtype, 'event_trigger'::regtype) as is_trigger, p.pronargs as argument_count,
    format_type(p.prorettype, null) as result_type, coalesce(p.proconfig, '{}') as settings,
    pg_get_functiondef(p.oid) as definition
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
  where n.nspname = %(schema)s and p.prokind in ('f', 'p')
    and not exists (
      select from pg_catalog.pg_depend as d
      where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
),
-- What says which tenant asks: a function of the schema that reads the setting, or the setting itself. Unset, empty
-- or malformed it is null, so it shows no row and raises no error.
current_tenants as (
  select v.type,
    coalesce(
      (select min(f.qualified) || '()' from functions as f
        where f.argument_count = 0 and f.result_type = v.type and not f.is_trigger
          and position(%(tenant_setting)s in f.definition) > 0),
      format(v.reading, quote_literal(%(tenant_setting)s))) as expression
  from (values
    ('uuid', 'case when current_setting(%1$s, true) ~ ''^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$'' '
      'then current_setting(%1$s, true)::uuid end'),
    ('bigint', 'case when current_setting(%1$s, true) ~ ''^[0-9]{1,18}$'' then current_setting(%1$s, true)::bigint end'),
    ('text', 'nullif(current_setting(%1$s, true), '''')')) as v (type, reading)
),
-- The condition that isolates a table's rows, as an init plan: the setting is read once a statement.
tenant_conditions as (
  select m.oid as table_oid,
    format('%s = (select %s)', m.tenant_quoted, w.expression) as condition
  from tenant_members as m
  join current_tenants as w on w.type = case when m.tenant_type in ('uuid', 'bigint') then m.tenant_type
    when m.tenant_type = 'integer' then 'bigint' else 'text' end
  where m.tenant_quoted is not null
  union all
  select r.oid, format('%s = (select %s)', r.key_quoted, w.expression)
  from tenant_roots as r
  join current_tenants as w on w.type = case when r.key_type in ('uuid', 'bigint') then r.key_type
    when r.key_type = 'integer' then 'bigint' else 'text' end
  where r.key_quoted is not null
  union all
  -- The parent's own policy says which of its rows are seen here, too.
  select m.oid, format('exists (select from %s as parent where %s)', p.qualified, j.condition)
  from tenant_members as m
  join tables as p on p.oid = m.parent_oid
  join pg_catalog.pg_constraint as f on f.oid = m.foreign_key_oid
  cross join lateral (
    select string_agg(format('parent.%I = %s.%I', b.attname, m.qualified, a.attname), ' and ' order by u.place) as condition
    from unnest(f.conkey, f.confkey) with ordinality as u (near, far, place)
    join pg_catalog.pg_attribute as a on a.attrelid = f.conrelid and a.attnum = u.near
    join pg_catalog.pg_attribute as b on b.attrelid = f.confrelid and b.attnum = u.far
  ) as j
  where m.tenant_quoted is null
),
policies as (
  select p.oid, t.oid as table_oid, t.qualified as table_qualified, t.has_rls, quote_ident(p.polname) as quoted,
    t.qualified || '.' || quote_ident(p.polname) as qualified, p.polpermissive as is_permissive, p.polcmd as command,
    p.polroles as role_oids,
    pg_get_expr(p.polqual, p.polrelid) as shows, pg_get_expr(p.polwithcheck, p.polrelid) as takes
  from tables as t
  join pg_catalog.pg_policy as p on p.polrelid = t.oid
),
-- Commands, and whether the application may give them on a table. Without its role it may give all of them.
app_commands as (
  select t.oid as table_oid, c.command, c.privilege,
    case c.command when 'd' then false else has_any_column_privilege(a.oid, t.oid, c.privilege) end
      or has_table_privilege(a.oid, t.oid, c.privilege) as is_allowed
  from tables as t
  cross join (values ('r', 'SELECT'), ('a', 'INSERT'), ('w', 'UPDATE'), ('d', 'DELETE')) as c (command, privilege)
  left join app_roles as a on true
),
-- Policies that count for the application, for a command that it may give.
app_policies as (
  select p.*
  from policies as p
  left join app_roles as a on true
  where p.has_rls
    and (a.oid is null or exists (
      select from unnest(p.role_oids) as role
      where role = 0 or pg_has_role(a.oid, nullif(role, 0), 'USAGE')))
    and exists (
      select from app_commands as c
      where c.table_oid = p.table_oid and p.command in ('*', c.command) and coalesce(c.is_allowed, true))
),
-- Functions that policies call, wherever they are.
policy_functions as (
  select distinct d.objid as policy_oid, format('%I.%I', n.nspname, f.proname) as qualified,
    pg_get_functiondef(f.oid) as definition
  from policies as p
  join pg_catalog.pg_depend as d on d.classid = 'pg_catalog.pg_policy'::regclass and d.objid = p.oid
    and d.refclassid = 'pg_catalog.pg_proc'::regclass
  join pg_catalog.pg_proc as f on f.oid = d.refobjid and f.prokind = 'f'
  join pg_catalog.pg_namespace as n on n.oid = f.pronamespace
),
-- Each condition of a policy that counts for the application; reads_tenant: it asks the setting, itself or by a
-- function that it calls; is_always_true: as written, it holds for every row there can be.
app_conditions as (
  select p.oid as policy_oid, p.table_oid, p.table_qualified, p.quoted, p.qualified, p.is_permissive, p.command,
    c.clause, c.condition,
    position(%(tenant_setting)s in c.condition) > 0 or exists (
      select from policy_functions as f
      where f.policy_oid = p.oid and position(f.qualified || '(' in c.condition) > 0
        and position(%(tenant_setting)s in f.definition) > 0) as reads_tenant,
    c.condition ~* '^\(*true\)*$'
      or c.condition ~* '(^|\()true OR | OR true(\)|$)'
      or c.condition ~* '^\(*NOT false\)*$'
      or regexp_replace(c.condition, '::text', '', 'g') ~ '^\(*([^() ]+)\)* = \(*\1\)*$'
      or exists (
        select from columns as k
        where k.table_oid = p.table_oid and k.is_not_null
          and btrim(c.condition, '()') = k.quoted || ' IS NOT NULL') as is_always_true
  from app_policies as p
  cross join lateral (values ('USING', p.shows), ('WITH CHECK', p.takes)) as c (clause, condition)
  where c.condition is not null
)
