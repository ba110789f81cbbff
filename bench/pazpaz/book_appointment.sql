-- title: Book an appointment
-- budget_p95_ms: 50
-- ends: rollback
-- since: pazpaz_hardening
-- params: select workspace_id, client_id, practitioner_id, practitioner_id as actor_id,
--     scheduled_start + interval '20 years' as "start", scheduled_end + interval '20 years' as "end"
--   from pazpaz.appointments
--   where practitioner_id is not null
-- note: in a free hour twenty years on; the exclusion constraint looks, and the trigger writes the audit trail
insert into pazpaz.appointments
  (workspace_id, client_id, practitioner_id, scheduled_start, scheduled_end, location_type, status)
values
  (%(workspace_id)s, %(client_id)s, %(practitioner_id)s, %(start)s, %(end)s, 'clinic', 'scheduled')
returning id
