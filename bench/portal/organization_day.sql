-- title: The reception's day: everybody's appointments
-- budget_p95_ms: 30
-- since: ea2e58f69efd
-- params: select organization_id,
--     date_trunc('day', scheduled_start, 'UTC') as day_start,
--     date_trunc('day', scheduled_start, 'UTC') + interval '24 hours' as day_end
--   from portal.appointments
--   where deleted_at is null
select id, patient_id, provider_id, scheduled_start, scheduled_end, status, appointment_type, location_type, location
from portal.appointments
where organization_id = %(organization_id)s
  and scheduled_start >= %(day_start)s
  and scheduled_start < %(day_end)s
  and deleted_at is null
order by scheduled_start
