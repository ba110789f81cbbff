-- title: One week of a workspace's calendar
-- budget_p95_ms: 50
-- params: select workspace_id,
--     date_trunc('week', scheduled_start, 'UTC') as week_start,
--     date_trunc('week', scheduled_start, 'UTC') + interval '7 days' as week_end
--   from pazpaz.appointments
select id, client_id, service_id, location_id, scheduled_start, scheduled_end, location_type, status
from pazpaz.appointments
where workspace_id = %(workspace_id)s
  and scheduled_start >= %(week_start)s
  and scheduled_start < %(week_end)s
order by scheduled_start desc
