-- title: A call written down
-- budget_p95_ms: 20
-- ends: rollback
-- params: select organization_id, '7' || substr(id, 2) as id, patient_id, handled_by_user_id as actor_id, direction,
--     phone, outcome, started_at + interval '35064 hours' as started_at, duration_seconds, notes,
--     started_at + interval '35065 hours' as moment
--   from portal.call_logs
--   where handled_by_user_id is not null
insert into portal.call_logs
  (id, organization_id, patient_id, handled_by_user_id, direction, phone, outcome, started_at, duration_seconds, notes,
   created_at, updated_at)
values
  (%(id)s, %(organization_id)s, %(patient_id)s, %(actor_id)s, %(direction)s, %(phone)s, %(outcome)s, %(started_at)s,
   %(duration_seconds)s, %(notes)s, %(moment)s, %(moment)s)
