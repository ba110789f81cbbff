-- title: A workspace's unfinished session notes
-- budget_p95_ms: 30
-- since: 2de77d93d190
-- params: select workspace_id from pazpaz.sessions where is_draft and deleted_at is null
select id, client_id, session_date, draft_last_saved_at
from pazpaz.sessions
where workspace_id = %(workspace_id)s and is_draft and deleted_at is null
order by session_date desc
limit 50
