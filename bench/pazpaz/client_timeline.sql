-- title: All appointments of a client, newest first
-- budget_p95_ms: 30
-- params: select workspace_id, client_id from pazpaz.appointments
select id, scheduled_start, scheduled_end, location_type, location_details, status, service_id, notes
from pazpaz.appointments
where workspace_id = %(workspace_id)s and client_id = %(client_id)s
order by scheduled_start desc
