-- title: A client by e-mail address, while addresses are plain text
-- budget_p95_ms: 20
-- until: 2de77d93d190
-- params: select workspace_id, email from pazpaz.clients where email is not null
select id, first_name, last_name, phone
from pazpaz.clients
where workspace_id = %(workspace_id)s and email = %(email)s
