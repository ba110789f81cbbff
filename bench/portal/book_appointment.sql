-- title: An hour booked, if the provider is free
-- budget_p95_ms: 20
-- ends: rollback
-- since: ea2e58f69efd
-- params: select organization_id, '7' || substr(id, 2) as id, patient_id, provider_id, created_by_user_id as actor_id,
--     scheduled_start + interval '8736 hours' as "start", scheduled_end + interval '8736 hours' as "end",
--     appointment_type, location_type, timestamptz '2025-10-01 00:00Z' as moment
--   from portal.appointments
--   where status = 'scheduled' and created_by_user_id is not null
-- note: 52 weeks later nobody has booked anything; an id that begins with 7 is of the year 9700
insert into portal.appointments
  (id, organization_id, patient_id, provider_id, created_by_user_id, scheduled_start, scheduled_end, status,
   appointment_type, location_type, created_at, updated_at)
select %(id)s, %(organization_id)s::text, %(patient_id)s, %(provider_id)s::text, %(actor_id)s,
  %(start)s, %(end)s, 'scheduled', %(appointment_type)s, %(location_type)s, %(moment)s, %(moment)s
where not exists (
  select from portal.appointments
  where organization_id = %(organization_id)s
    and provider_id = %(provider_id)s
    and scheduled_start < %(end)s
    and scheduled_start > %(start)s::timestamptz - interval '24 hours'
    and scheduled_end > %(start)s
    and status in ('scheduled', 'confirmed')
    and deleted_at is null
)
