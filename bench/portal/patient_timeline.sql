-- title: A patient's appointments, the latest first
-- budget_p95_ms: 30
-- since: ea2e58f69efd
-- params: select organization_id, patient_id from portal.appointments where deleted_at is null
select id, provider_id, scheduled_start, scheduled_end, status, appointment_type, location_type, reason
from portal.appointments
where organization_id = %(organization_id)s and patient_id = %(patient_id)s and deleted_at is null
order by scheduled_start desc
limit 50
