-- title: One version of a key
-- budget_p95_ms: 20
-- params: select tenant_id, key_name, version from practice.encryption_keys where tenant_id is not null
-- note: every text that is decrypted names the version of its key
select id, key_type, kms_key_id, kms_provider, kms_region, kms_endpoint, key_algorithm, status
from practice.encryption_keys
where tenant_id = %(tenant_id)s and key_name = %(key_name)s and version = %(version)s
