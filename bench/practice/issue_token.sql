-- title: A new token for a user
-- budget_p95_ms: 20
-- ends: rollback
-- params: select tenant_id, user_id, md5(id::text) || md5(user_id::text) as token_hash, token_type, audience, scopes,
--     expires_at as moment, expires_at + (expires_at - issued_at) as expires_at
--   from practice.auth_tokens
--   where tenant_id is not null and user_id is not null
insert into practice.auth_tokens
  (tenant_id, user_id, token_hash, token_type, audience, scopes, issued_at, expires_at, created_at, updated_at)
values
  (%(tenant_id)s, %(user_id)s, %(token_hash)s, %(token_type)s, %(audience)s, %(scopes)s::jsonb,
   %(moment)s, %(expires_at)s, %(moment)s, %(moment)s)
returning id
