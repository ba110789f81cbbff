-- title: What one user did, newest first
-- budget_p95_ms: 30
-- since: de72ee2cfb00
-- params: select workspace_id, user_id from pazpaz.audit_events where workspace_id is not null and user_id is not null
select id, event_type, resource_type, resource_id, action, ip_address, created_at
from pazpaz.audit_events
where workspace_id = %(workspace_id)s and user_id = %(user_id)s
order by created_at desc
limit 50
