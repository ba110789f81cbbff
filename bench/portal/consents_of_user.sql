-- title: What a user has agreed to
-- budget_p95_ms: 20
-- params: select m.organization_id, c.user_id
--   from portal.user_consents c
--   join portal.organization_members m on m.user_id = c.user_id
select id, document, version, granted_at, revoked_at
from portal.user_consents
where user_id = %(user_id)s
order by granted_at desc, id desc
