-- title: Earlier versions of a session's notes
-- budget_p95_ms: 20
-- since: 9262695391b3
-- params: select s.workspace_id, s.id as session_id
--   from pazpaz.sessions s join pazpaz.session_versions v on v.session_id = s.id
select id, version_number, subjective, objective, assessment, plan, created_by_user_id, created_at
from pazpaz.session_versions
where session_id = %(session_id)s
order by version_number desc
