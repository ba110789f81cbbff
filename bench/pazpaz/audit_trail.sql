-- title: A workspace's audit trail, newest first
-- budget_p95_ms: 30
-- since: de72ee2cfb00
-- params: select workspace_id, created_at as before from pazpaz.audit_events where workspace_id is not null
select id, user_id, event_type, resource_type, resource_id, action, ip_address, created_at
from pazpaz.audit_events
where workspace_id = %(workspace_id)s and created_at <= %(before)s
order by created_at desc
limit 50
