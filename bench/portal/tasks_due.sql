-- title: Open tasks of everybody that are due
-- budget_p95_ms: 30
-- params: select organization_id, due_at + interval '24 hours' as before
--   from portal.tasks
--   where status = 'open' and due_at is not null
select id, assignee_user_id, patient_id, title, priority, due_at
from portal.tasks
where organization_id = %(organization_id)s and status = 'open' and due_at < %(before)s
order by due_at
limit 50
