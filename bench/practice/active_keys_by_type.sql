-- title: Keys of one type that are in use
-- budget_p95_ms: 30
-- params: select tenant_id, key_type
--   from practice.encryption_keys
--   where tenant_id is not null and status = 'active'
select id, key_name, version, kms_key_id, kms_provider, kms_region, key_algorithm, activated_at, expires_at
from practice.encryption_keys
where tenant_id = %(tenant_id)s and key_type = %(key_type)s and status = 'active'
order by key_name
