-- title: Overlapping appointments of a workspace
-- budget_p95_ms: 20
-- params: select workspace_id, scheduled_start as "start", scheduled_end as "end" from pazpaz.appointments
select id, client_id, scheduled_start, scheduled_end, status
from pazpaz.appointments
where workspace_id = %(workspace_id)s
  and scheduled_start < %(end)s
  and scheduled_end > %(start)s
  and status not in ('cancelled', 'no_show')
