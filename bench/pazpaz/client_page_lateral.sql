-- title: A page of clients with their computed fields, by LATERAL
-- budget_p95_ms: 50
-- params: select workspace_id, updated_at as before, (select max(created_at) from pazpaz.appointments) as moment
--   from pazpaz.clients
select c.id, next.scheduled_start as next_appointment, last.scheduled_start as last_appointment, n.appointment_count
from (
  select id from pazpaz.clients
  where workspace_id = %(workspace_id)s and updated_at <= %(before)s
  order by updated_at desc
  limit 20
) c
left join lateral (
  select scheduled_start from pazpaz.appointments
  where workspace_id = %(workspace_id)s and client_id = c.id
    and status = 'scheduled' and scheduled_start > %(moment)s
  order by scheduled_start
  limit 1
) next on true
left join lateral (
  select scheduled_start from pazpaz.appointments
  where workspace_id = %(workspace_id)s and client_id = c.id
    and status = 'completed' and scheduled_start < %(moment)s
  order by scheduled_start desc
  limit 1
) last on true
cross join lateral (
  select count(*) as appointment_count from pazpaz.appointments
  where workspace_id = %(workspace_id)s and client_id = c.id
) n
