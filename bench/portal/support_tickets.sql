-- title: Questions that wait for an answer, the oldest first
-- budget_p95_ms: 30
-- params: select organization_id from portal.support_tickets where status in ('open', 'pending')
select id, requester_user_id, assignee_user_id, subject, status, priority, created_at
from portal.support_tickets
where organization_id = %(organization_id)s and status in ('open', 'pending')
order by created_at
limit 50
