-- title: A patient's chart: contact methods, next appointment, open tasks
-- budget_p95_ms: 30
-- since: ea2e58f69efd
-- params: select organization_id, patient_id, timestamptz '2025-10-01 00:00Z' as moment
--   from portal.appointments
-- note: one statement instead of four; row-level security asks the contacts' patient for the organization
select p.id, p.mrn, p.first_name, p.last_name, p.date_of_birth, p.sex, p.phone, p.email, p.address_line1, p.city,
  p.state, p.zip_code, p.language, p.status, contact.methods, upcoming.id as appointment_id, upcoming.scheduled_start,
  upcoming.appointment_type, upcoming.provider_id, todo.tasks
from portal.patients p
left join lateral (
  select jsonb_agg(jsonb_build_object('kind', c.kind, 'value', c.value, 'is_primary', c.is_primary)
    order by c.is_primary desc, c.id) as methods
  from portal.contact_methods c
  where c.patient_id = p.id
) contact on true
left join lateral (
  select a.id, a.scheduled_start, a.appointment_type, a.provider_id
  from portal.appointments a
  where a.organization_id = p.organization_id and a.patient_id = p.id and a.scheduled_start > %(moment)s
    and a.status in ('scheduled', 'confirmed') and a.deleted_at is null
  order by a.scheduled_start
  limit 1
) upcoming on true
left join lateral (
  select jsonb_agg(jsonb_build_object('id', t.id, 'title', t.title, 'priority', t.priority, 'due_at', t.due_at)
    order by t.due_at) as tasks
  from portal.tasks t
  where t.organization_id = p.organization_id and t.patient_id = p.id and t.status in ('open', 'in_progress')
) todo on true
where p.organization_id = %(organization_id)s and p.id = %(patient_id)s
