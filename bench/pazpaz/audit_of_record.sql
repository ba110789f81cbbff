-- title: Who did what to one record
-- budget_p95_ms: 20
-- since: de72ee2cfb00
-- params: select workspace_id, resource_type, resource_id
--   from pazpaz.audit_events
--   where workspace_id is not null and resource_id is not null
select id, user_id, event_type, action, ip_address, created_at
from pazpaz.audit_events
where workspace_id = %(workspace_id)s and resource_type = %(resource_type)s and resource_id = %(resource_id)s
order by created_at
