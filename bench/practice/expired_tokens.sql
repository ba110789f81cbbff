-- title: Expired tokens of a tenant, oldest first
-- budget_p95_ms: 30
-- params: select tenant_id, expires_at + interval '1 second' as before
--   from practice.auth_tokens
--   where tenant_id is not null and status = 'expired'
-- note: what a clean-up takes at a time
select id, user_id, token_type, expires_at
from practice.auth_tokens
where tenant_id = %(tenant_id)s and status = 'expired' and expires_at < %(before)s
order by expires_at
limit 200
