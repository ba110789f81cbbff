-- title: Who acts for a patient
-- budget_p95_ms: 20
-- since: 8af88bf56c01
-- params: select p.organization_id, g.patient_id
--   from portal.patient_proxy_assignments g
--   join portal.patients p on p.id = g.patient_id
--   where g.status = 'active'
select g.id, g.relationship, g.access_level, g.expires_at, x.id as proxy_id, x.first_name, x.last_name, x.phone
from portal.patient_proxy_assignments g
join portal.proxies x on x.id = g.proxy_id
where g.patient_id = %(patient_id)s and g.status = 'active'
order by g.granted_at
