-- title: Role or database in which triggers do not fire
-- severity: P0
-- why: With session_replication_role = replica no ordinary trigger fires and no foreign key is checked. As a default
--   of a role or a database it silences the whole trail, and nothing in the schema shows it.
-- remediation: Reset it.
-- answers: DB-003
-- hipaa: 164.312(b)
-- subject: session_replication_role
-- promise: no role and no database has another default
-- checked: select 1 as checked
select
  case when r.rolname is null then format('database %I', d.datname) else format('role %I', r.rolname) end as object,
  'ordinary triggers do not fire' as detail,
  case when r.rolname is null then format('alter database %I reset session_replication_role;', d.datname)
    else format('alter role %I%s reset session_replication_role;', r.rolname, coalesce(' in database ' || quote_ident(d.datname), ''))
    end as remediation
from pg_catalog.pg_db_role_setting as s
left join pg_catalog.pg_roles as r on r.oid = s.setrole
left join pg_catalog.pg_database as d on d.oid = s.setdatabase
where (s.setdatabase = 0 or d.datname = current_database())
  and 'session_replication_role=replica' = any (s.setconfig)
