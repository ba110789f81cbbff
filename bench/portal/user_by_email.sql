-- title: Who signs in with an address
-- budget_p95_ms: 20
-- params: select m.organization_id, u.email from portal.users u join portal.organization_members m on m.user_id = u.id
select id, full_name, password_hash, status, mfa_enabled
from portal.users
where email = %(email)s and deleted_at is null
