-- title: A session that lets nobody in any more
-- budget_p95_ms: 20
-- ends: rollback
-- params: select m.organization_id, s.token_hash, s.user_id as actor_id,
--     s.created_at + (s.expires_at - s.created_at) / 2 as moment
--   from portal.user_sessions s
--   join portal.organization_members m on m.user_id = s.user_id
--   where s.revoked_at is null
update portal.user_sessions
set revoked_at = %(moment)s, updated_at = %(moment)s
where token_hash = %(token_hash)s and revoked_at is null
