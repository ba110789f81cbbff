-- title: What somebody still has to do, the most urgent first
-- budget_p95_ms: 30
-- params: select organization_id, assignee_user_id
--   from portal.tasks
--   where status in ('open', 'in_progress') and assignee_user_id is not null
select id, patient_id, title, status, priority, due_at
from portal.tasks
where organization_id = %(organization_id)s
  and assignee_user_id = %(assignee_user_id)s
  and status in ('open', 'in_progress')
order by due_at
limit 50
