-- title: A tenant's mappings that failed at least so often
-- budget_p95_ms: 50
-- since: practice_hardening
-- params: select tenant_id, error_count as least
--   from practice.fhir_mappings
--   where tenant_id is not null and status = 'error' and error_count > 1
-- note: before that, the counts are texts, and '10' comes before '9'
select id, internal_id, fhir_resource_type, fhir_server_url, last_error, last_error_at, error_count
from practice.fhir_mappings
where tenant_id = %(tenant_id)s and status = 'error' and error_count >= %(least)s
order by error_count desc, id
limit 50
