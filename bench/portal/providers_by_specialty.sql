-- title: Providers of a specialty who take new patients
-- budget_p95_ms: 20
-- since: 8af88bf56c01
-- params: select organization_id, specialty
--   from portal.providers
--   where status = 'active' and accepts_new_patients
select id, first_name, last_name, credentials, npi, phone
from portal.providers
where organization_id = %(organization_id)s
  and specialty = %(specialty)s
  and status = 'active'
  and accepts_new_patients
order by last_name, first_name
