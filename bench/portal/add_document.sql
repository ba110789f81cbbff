-- title: A document added to a patient's
-- budget_p95_ms: 20
-- ends: rollback
-- params: select organization_id, '7' || substr(id, 2) as id, patient_id, uploaded_by_user_id as actor_id, kind, title,
--     storage_key || '-next' as storage_key, sha256, content_type, size_bytes,
--     created_at + interval '35064 hours' as moment
--   from portal.documents
--   where uploaded_by_user_id is not null
insert into portal.documents
  (id, organization_id, patient_id, uploaded_by_user_id, kind, title, storage_key, sha256, content_type, size_bytes,
   created_at, updated_at)
values
  (%(id)s, %(organization_id)s, %(patient_id)s, %(actor_id)s, %(kind)s, %(title)s, %(storage_key)s, %(sha256)s,
   %(content_type)s, %(size_bytes)s, %(moment)s, %(moment)s)
