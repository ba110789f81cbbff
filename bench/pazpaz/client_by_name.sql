-- title: Clients of a name, while names are plain text
-- budget_p95_ms: 30
-- until: 2de77d93d190
-- params: select workspace_id, last_name from pazpaz.clients
select id, first_name, last_name, email, phone
from pazpaz.clients
where workspace_id = %(workspace_id)s and last_name = %(last_name)s
order by first_name, id
