-- title: An appointment deleted, but kept as the law wants it
-- budget_p95_ms: 20
-- ends: rollback
-- since: ea2e58f69efd
-- params: select organization_id, id, created_by_user_id as actor_id, updated_at + interval '1 hour' as moment
--   from portal.appointments
--   where deleted_at is null and created_by_user_id is not null
update portal.appointments
set deleted_at = %(moment)s, updated_at = %(moment)s
where organization_id = %(organization_id)s and id = %(id)s and deleted_at is null
