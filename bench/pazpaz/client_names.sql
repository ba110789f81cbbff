-- title: The encrypted names of a workspace's active clients
-- budget_p95_ms: 150
-- since: a2341bb8aa45
-- params: select workspace_id from pazpaz.clients where is_active
-- note: what a search by name costs once names are ciphertext: the application fetches all of them and decrypts
select id, first_name, last_name
from pazpaz.clients
where workspace_id = %(workspace_id)s and is_active
