-- title: Tenant that a role or a database has by default
-- severity: P1
-- why: ALTER ROLE … SET and ALTER DATABASE … SET give every connection a tenant. One that forgets to say who asks is
--   not refused: it reads and writes as that tenant.
-- remediation: Reset it; the application sets the tenant inside each transaction.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- subject: tenant settings
-- promise: no role and no database has a default
-- checked: select 1 as checked
select
  case when r.rolname is null then format('database %I', d.datname) else format('role %I', r.rolname) end as object,
  format('%s has a default%s', %(tenant_setting)s,
    case when r.rolname is not null and d.datname is not null then format(' in database %I', d.datname) else '' end) as detail,
  case when r.rolname is null then format('alter database %I reset %s;', d.datname, %(tenant_setting)s)
    else format('alter role %I%s reset %s;', r.rolname, coalesce(' in database ' || quote_ident(d.datname), ''), %(tenant_setting)s)
    end as remediation
from pg_catalog.pg_db_role_setting as s
left join pg_catalog.pg_roles as r on r.oid = s.setrole
left join pg_catalog.pg_database as d on d.oid = s.setdatabase
where (s.setdatabase = 0 or d.datname = current_database())
  and exists (
    select from unnest(s.setconfig) as setting
    where starts_with(lower(setting), lower(%(tenant_setting)s) || '=') and split_part(setting, '=', 2) <> '')
