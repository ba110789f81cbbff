-- title: Overlapping appointments of one practitioner, or of nobody yet
-- budget_p95_ms: 20
-- since: pazpaz_hardening
-- params: select workspace_id, practitioner_id, scheduled_start as "start", scheduled_end as "end"
--   from pazpaz.appointments
--   where practitioner_id is not null
-- note: the GiST form; plain comparisons, because row-level security lets only leakproof operators into an index
--   condition, and && of ranges is none
select id, client_id, scheduled_start, scheduled_end, status
from pazpaz.appointments
where workspace_id = %(workspace_id)s
  and (practitioner_id = %(practitioner_id)s or practitioner_id is null)
  and scheduled_start < %(end)s
  and scheduled_end > %(start)s
  and status not in ('cancelled', 'no_show')
