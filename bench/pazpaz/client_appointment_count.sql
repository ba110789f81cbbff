-- title: How many appointments a client has
-- budget_p95_ms: 20
-- params: select workspace_id, client_id from pazpaz.appointments
-- note: one of three queries for a client's computed fields
select count(*) as appointment_count
from pazpaz.appointments
where workspace_id = %(workspace_id)s and client_id = %(client_id)s
