-- title: Our row behind a FHIR resource
-- budget_p95_ms: 20
-- params: select tenant_id, fhir_server_url, fhir_resource_type, fhir_resource_id
--   from practice.fhir_mappings
--   where tenant_id is not null
select id, internal_id, version, status, is_active, last_sync_at
from practice.fhir_mappings
where tenant_id = %(tenant_id)s
  and fhir_server_url = %(fhir_server_url)s
  and fhir_resource_type = %(fhir_resource_type)s
  and fhir_resource_id = %(fhir_resource_id)s
