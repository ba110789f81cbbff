-- title: A client's next appointment
-- budget_p95_ms: 20
-- params: select workspace_id, client_id, (select max(created_at) from pazpaz.appointments) as moment
--   from pazpaz.appointments
--   where status = 'scheduled'
-- note: one of three queries for a client's computed fields
select scheduled_start
from pazpaz.appointments
where workspace_id = %(workspace_id)s
  and client_id = %(client_id)s
  and status = 'scheduled' and scheduled_start > %(moment)s
order by scheduled_start
limit 1
