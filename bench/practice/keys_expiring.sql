-- title: Keys of a tenant that are due for rotation
-- budget_p95_ms: 30
-- params: select tenant_id, expires_at + interval '30 days' as before
--   from practice.encryption_keys
--   where tenant_id is not null and status = 'active'
select id, key_name, key_type, version, expires_at, kms_provider
from practice.encryption_keys
where tenant_id = %(tenant_id)s and status = 'active' and expires_at < %(before)s
order by expires_at
limit 100
