-- title: A client by e-mail address, through the blind index
-- budget_p95_ms: 20
-- since: pazpaz_hardening
-- params: select workspace_id, email_index from pazpaz.clients where email_index is not null
-- note: the application sends the keyed hash of the address; the server never sees the address
select id, first_name, last_name, phone
from pazpaz.clients
where workspace_id = %(workspace_id)s and email_index = %(email_index)s
