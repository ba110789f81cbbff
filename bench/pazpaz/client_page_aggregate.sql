-- title: A page of clients with their computed fields, by one aggregate
-- budget_p95_ms: 50
-- params: select workspace_id, updated_at as before, (select max(created_at) from pazpaz.appointments) as moment
--   from pazpaz.clients
-- note: the body of the proposed materialized view, with min() for the next appointment where it said max()
select c.id,
  min(a.scheduled_start) filter (where a.status = 'scheduled' and a.scheduled_start > %(moment)s) as next_appointment,
  max(a.scheduled_start) filter (where a.status = 'completed' and a.scheduled_start < %(moment)s) as last_appointment,
  count(a.id) as appointment_count
from (
  select id from pazpaz.clients
  where workspace_id = %(workspace_id)s and updated_at <= %(before)s
  order by updated_at desc
  limit 20
) c
left join pazpaz.appointments a on a.workspace_id = %(workspace_id)s and a.client_id = c.id
group by c.id
