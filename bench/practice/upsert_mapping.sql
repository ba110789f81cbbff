-- title: A resource as its server has it now
-- budget_p95_ms: 20
-- ends: rollback
-- since: practice_hardening
-- params: select tenant_id, internal_id, fhir_resource_type,
--     case when right(fhir_resource_id, 1) < '8' then fhir_resource_id else md5(fhir_resource_id) end
--       as fhir_resource_id,
--     fhir_server_url, coalesce(version, '0') || '1' as version, updated_at as moment
--   from practice.fhir_mappings
--   where tenant_id is not null
-- note: every second one is known already; before the hardening no unique key says so
insert into practice.fhir_mappings
  (tenant_id, internal_id, fhir_resource_type, fhir_resource_id, fhir_server_url, version, last_sync_at,
   created_at, updated_at)
values
  (%(tenant_id)s, %(internal_id)s, %(fhir_resource_type)s, %(fhir_resource_id)s, %(fhir_server_url)s, %(version)s,
   %(moment)s, %(moment)s, %(moment)s)
on conflict (tenant_id, fhir_server_url, fhir_resource_type, fhir_resource_id) do update
set internal_id = excluded.internal_id, version = excluded.version, last_sync_at = excluded.last_sync_at,
  status = 'active', is_active = true, error_count = 0, last_error = null, last_error_at = null,
  updated_at = excluded.updated_at
returning id
