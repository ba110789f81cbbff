-- title: A token replaced by its child
-- budget_p95_ms: 20
-- ends: rollback
-- params: select tenant_id, token_hash, md5(token_hash) || md5(id::text) as child_hash,
--     issued_at + (expires_at - issued_at) / 2 as moment, expires_at + (expires_at - issued_at) / 2 as expires_at
--   from practice.auth_tokens
--   where tenant_id is not null and status = 'active' and token_type in ('refresh', 'api_key')
-- note: in one statement, so that a token which somebody else has just rotated or revoked gets no child
with parent as (
  update practice.auth_tokens
  set status = 'rotated', revoked_at = %(moment)s, updated_at = %(moment)s
  where tenant_id = %(tenant_id)s and token_hash = %(token_hash)s
    and status = 'active' and expires_at > %(moment)s
  returning id, tenant_id, correlation_id, user_id, token_type, issuer, audience, scopes, token_metadata,
    client_ip_hash, user_agent_hash, rotation_count
)
insert into practice.auth_tokens
  (tenant_id, correlation_id, user_id, token_type, issuer, audience, scopes, token_metadata,
   client_ip_hash, user_agent_hash, parent_token_id, rotation_count,
   token_hash, issued_at, expires_at, created_at, updated_at)
select tenant_id, correlation_id, user_id, token_type, issuer, audience, scopes, token_metadata,
  client_ip_hash, user_agent_hash, id, rotation_count + 1,
  %(child_hash)s, %(moment)s, %(expires_at)s, %(moment)s, %(moment)s
from parent
returning id
