-- title: The FHIR resource of one of our rows
-- budget_p95_ms: 20
-- params: select tenant_id, internal_id, fhir_resource_type
--   from practice.fhir_mappings
--   where tenant_id is not null and is_active
select id, fhir_resource_id, fhir_server_url, version, status, last_sync_at
from practice.fhir_mappings
where tenant_id = %(tenant_id)s
  and internal_id = %(internal_id)s
  and fhir_resource_type = %(fhir_resource_type)s
  and is_active
