-- title: Invitations sent to an address
-- budget_p95_ms: 20
-- params: select organization_id, email from portal.invitations
select id, role, expires_at, accepted_at, invited_by_user_id
from portal.invitations
where organization_id = %(organization_id)s and email = %(email)s
order by expires_at desc
