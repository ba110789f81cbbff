-- title: Store a new session note
-- budget_p95_ms: 50
-- ends: rollback
-- since: pazpaz_hardening
-- params: select workspace_id, client_id, created_by_user_id as actor_id, session_date,
--     subjective, objective, assessment, plan
--   from pazpaz.sessions
--   where subjective is not null
-- note: the ciphertext of another note, of the same length; sealing it is the application's time
insert into pazpaz.sessions
  (workspace_id, client_id, session_date, duration_minutes, created_by_user_id, subjective, objective, assessment, plan)
values
  (%(workspace_id)s, %(client_id)s, %(session_date)s, 50, %(actor_id)s, %(subjective)s, %(objective)s,
   %(assessment)s, %(plan)s)
returning id
