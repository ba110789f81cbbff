-- title: A page of the patients by name
-- budget_p95_ms: 30
-- since: 8af88bf56c01
-- params: select organization_id, last_name, first_name from portal.patients where deleted_at is null
select id, mrn, first_name, last_name, date_of_birth, phone, status, updated_at
from portal.patients
where organization_id = %(organization_id)s
  and (last_name, first_name) >= (%(last_name)s, %(first_name)s)
  and deleted_at is null
order by last_name, first_name
limit 50
