-- title: A patient's documents, the latest first
-- budget_p95_ms: 30
-- params: select organization_id, patient_id from portal.documents where deleted_at is null
select id, kind, title, content_type, size_bytes, storage_key, sha256, uploaded_by_user_id, created_at
from portal.documents
where organization_id = %(organization_id)s and patient_id = %(patient_id)s and deleted_at is null
order by created_at desc
limit 50
