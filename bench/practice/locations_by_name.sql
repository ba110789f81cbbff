-- title: Open locations by name, from what was typed on
-- budget_p95_ms: 30
-- params: select tenant_id, left(name, 3) as typed
--   from practice.locations
--   where tenant_id is not null and is_active
-- note: a comparison, because LIKE is not leakproof: under row-level security no index serves it
select id, practice_profile_id, name, city, state, phone
from practice.locations
where tenant_id = %(tenant_id)s and name >= %(typed)s and is_active
order by name, id
limit 20
