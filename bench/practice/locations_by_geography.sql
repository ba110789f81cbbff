-- title: Open locations of a city
-- budget_p95_ms: 20
-- params: select tenant_id, city, state from practice.locations where tenant_id is not null and is_active
-- note: a patient's search inside a practice group: the host name tells the tenant, and row-level security
--   adds it to the predicate, once there is any
select id, practice_profile_id, name, address_line1, zip_code, phone, wheelchair_accessible
from practice.locations
where city = %(city)s and state = %(state)s and is_active
order by name, id
