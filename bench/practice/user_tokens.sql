-- title: A user's tokens of one type and status
-- budget_p95_ms: 20
-- params: select tenant_id, user_id, status, token_type
--   from practice.auth_tokens
--   where tenant_id is not null and user_id is not null
select id, token_type, status, issued_at, expires_at, last_used_at, rotation_count
from practice.auth_tokens
where tenant_id = %(tenant_id)s
  and user_id = %(user_id)s
  and status = %(status)s
  and token_type = %(token_type)s
order by issued_at desc
