-- title: Whose session a token is
-- budget_p95_ms: 20
-- params: select m.organization_id, s.token_hash, s.created_at + (s.expires_at - s.created_at) / 2 as moment
--   from portal.user_sessions s
--   join portal.organization_members m on m.user_id = s.user_id
--   where s.revoked_at is null
-- note: every request pays this lookup; the host name tells the organization, and a token opens nothing where
--   its user is no member
select s.id, s.user_id, s.device_id, s.expires_at, u.full_name, m.role
from portal.user_sessions s
join portal.users u on u.id = s.user_id
join portal.organization_members m on m.user_id = s.user_id
where s.token_hash = %(token_hash)s
  and s.expires_at > %(moment)s
  and s.revoked_at is null
  and u.status = 'active'
  and m.organization_id = %(organization_id)s
  and m.status = 'active'
