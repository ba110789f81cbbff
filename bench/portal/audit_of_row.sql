-- title: What happened to a row
-- budget_p95_ms: 30
-- params: select organization_id, table_name, row_id from portal.audit_logs where organization_id is not null
select id, at, actor_user_id, operation, changed
from portal.audit_logs
where organization_id = %(organization_id)s and table_name = %(table_name)s and row_id = %(row_id)s
order by at, id
