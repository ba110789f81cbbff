-- title: A workspace's appointments of one status, newest first
-- budget_p95_ms: 50
-- params: select workspace_id, status from pazpaz.appointments
select id, client_id, scheduled_start, scheduled_end, location_type
from pazpaz.appointments
where workspace_id = %(workspace_id)s and status = %(status)s
order by scheduled_start desc, id
limit 50
