-- title: A token that lets nobody in any more
-- budget_p95_ms: 20
-- ends: rollback
-- params: select tenant_id, token_hash, issued_at + (expires_at - issued_at) / 2 as moment
--   from practice.auth_tokens
--   where tenant_id is not null and status = 'active'
update practice.auth_tokens
set status = 'revoked', revoked_at = %(moment)s, updated_at = %(moment)s
where tenant_id = %(tenant_id)s and token_hash = %(token_hash)s and status = 'active'
