-- title: Who treats a patient
-- budget_p95_ms: 20
-- since: 8af88bf56c01
-- params: select p.organization_id, c.patient_id
--   from portal.care_team_assignments c
--   join portal.patients p on p.id = c.patient_id
--   where c.until is null
-- note: an assignment has no organization of its own; row-level security asks its patient
select c.id, c.role, c.since, d.id as provider_id, d.first_name, d.last_name, d.credentials, d.specialty, d.phone
from portal.care_team_assignments c
join portal.providers d on d.id = c.provider_id
where c.patient_id = %(patient_id)s and c.until is null
order by c.since
