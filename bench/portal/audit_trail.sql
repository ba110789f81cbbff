-- title: What happened before a moment, the latest first
-- budget_p95_ms: 30
-- params: select organization_id, at + interval '1 second' as before
--   from portal.audit_logs
--   where organization_id is not null
select id, at, actor_user_id, table_name, row_id, operation, changed
from portal.audit_logs
where organization_id = %(organization_id)s and at < %(before)s
order by at desc
limit 50
