-- title: A tenant's mappings in error, the latest first
-- budget_p95_ms: 50
-- params: select tenant_id from practice.fhir_mappings where tenant_id is not null and status = 'error'
select id, internal_id, fhir_resource_type, fhir_server_url, last_error, last_error_at, error_count
from practice.fhir_mappings
where tenant_id = %(tenant_id)s and status = 'error' and is_active
order by last_error_at desc
limit 50
