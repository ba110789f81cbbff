-- title: A client's last session notes, encrypted
-- budget_p95_ms: 30
-- since: 2de77d93d190
-- params: select workspace_id, client_id from pazpaz.sessions where deleted_at is null
-- note: the application decrypts them; bench/test_orm.py times the request with decryption
select id, session_date, subjective, objective, assessment, plan, is_draft, version
from pazpaz.sessions
where workspace_id = %(workspace_id)s and client_id = %(client_id)s and deleted_at is null
order by session_date desc
limit 10
