-- title: Move an appointment to another hour
-- budget_p95_ms: 50
-- ends: rollback
-- since: pazpaz_hardening
-- params: select workspace_id, id as appointment_id, practitioner_id as actor_id, updated_at as moment,
--     scheduled_start + interval '20 years' as "start", scheduled_end + interval '20 years' as "end"
--   from pazpaz.appointments
--   where status = 'scheduled' and practitioner_id is not null
update pazpaz.appointments
set scheduled_start = %(start)s, scheduled_end = %(end)s, updated_at = %(moment)s
where workspace_id = %(workspace_id)s and id = %(appointment_id)s and status = 'scheduled'
