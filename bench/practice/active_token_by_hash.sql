-- title: Validation of a presented token
-- budget_p95_ms: 20
-- params: select tenant_id, token_hash, issued_at + (expires_at - issued_at) / 2 as moment
--   from practice.auth_tokens
--   where tenant_id is not null and status = 'active'
-- note: no tenant in the predicate: the host name tells it, row-level security adds it once there is any,
--   and the hash proves the rest; every request pays this lookup
select id, tenant_id, user_id, token_type, scopes, audience, issued_at, expires_at
from practice.auth_tokens
where token_hash = %(token_hash)s and status = 'active' and expires_at > %(moment)s
