-- title: Who works at an organization
-- budget_p95_ms: 50
-- params: select organization_id from portal.organization_members where role in ('owner', 'admin', 'provider', 'staff')
select m.id, m.user_id, m.role, m.joined_at, u.full_name, u.email, u.last_login_at
from portal.organization_members m
join portal.users u on u.id = m.user_id
where m.organization_id = %(organization_id)s
  and m.role in ('owner', 'admin', 'provider', 'staff')
  and m.status = 'active'
order by u.full_name
limit 100
