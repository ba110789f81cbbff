-- title: Open locations of a practice
-- budget_p95_ms: 30
-- params: select tenant_id, practice_profile_id
--   from practice.locations
--   where tenant_id is not null and is_active
select id, name, location_type, address_line1, city, state, zip_code, phone, is_primary, operating_hours
from practice.locations
where tenant_id = %(tenant_id)s and practice_profile_id = %(practice_profile_id)s and is_active
order by is_primary desc, name, id
