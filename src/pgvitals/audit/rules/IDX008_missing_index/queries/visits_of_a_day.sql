-- title: A tenant's visits of a day
-- budget_p95_ms: 20
-- params: select tenant_id, day from rule_test.visits
select id from rule_test.visits where tenant_id = %(tenant_id)s and day = %(day)s
