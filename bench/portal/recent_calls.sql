-- title: The last calls before a moment
-- budget_p95_ms: 30
-- params: select organization_id, started_at + interval '1 second' as before from portal.call_logs
select id, patient_id, direction, phone, outcome, started_at, duration_seconds, handled_by_user_id
from portal.call_logs
where organization_id = %(organization_id)s and started_at < %(before)s
order by started_at desc
limit 50
