-- title: A patient's calls, the latest first
-- budget_p95_ms: 30
-- params: select organization_id, patient_id from portal.call_logs where patient_id is not null
select id, direction, phone, outcome, started_at, duration_seconds, handled_by_user_id, notes
from portal.call_logs
where organization_id = %(organization_id)s and patient_id = %(patient_id)s
order by started_at desc
limit 50
