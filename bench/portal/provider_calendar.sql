-- title: A provider's week
-- budget_p95_ms: 30
-- since: ea2e58f69efd
-- params: select organization_id, provider_id,
--     date_trunc('week', scheduled_start, 'UTC') as week_start,
--     date_trunc('week', scheduled_start, 'UTC') + interval '168 hours' as week_end
--   from portal.appointments
--   where deleted_at is null
select a.id, a.patient_id, p.first_name, p.last_name, a.scheduled_start, a.scheduled_end, a.status,
  a.appointment_type, a.location_type, a.location
from portal.appointments a
join portal.patients p on p.organization_id = a.organization_id and p.id = a.patient_id
where a.organization_id = %(organization_id)s
  and a.provider_id = %(provider_id)s
  and a.scheduled_start >= %(week_start)s
  and a.scheduled_start < %(week_end)s
  and a.deleted_at is null
order by a.scheduled_start
