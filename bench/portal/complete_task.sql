-- title: A task that is done
-- budget_p95_ms: 20
-- ends: rollback
-- params: select organization_id, id, coalesce(assignee_user_id, created_by_user_id) as actor_id,
--     timestamptz '2025-10-01 00:00Z' as moment
--   from portal.tasks
--   where status in ('open', 'in_progress')
update portal.tasks
set status = 'done', completed_at = %(moment)s, updated_at = %(moment)s
where organization_id = %(organization_id)s and id = %(id)s and status in ('open', 'in_progress')
