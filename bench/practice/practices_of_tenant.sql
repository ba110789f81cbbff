-- title: Practices of a tenant that are open
-- budget_p95_ms: 30
-- params: select tenant_id from practice.practice_profiles where tenant_id is not null and is_active
select id, name, npi_number, phone, city, state, timezone
from practice.practice_profiles
where tenant_id = %(tenant_id)s and is_active
order by name, id
