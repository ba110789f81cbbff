-- title: Policy that raises an error when nobody has said who asks
-- severity: P2
-- why: An unset setting has to show no row and raise no error. current_setting without its second argument fails while
--   it is unset; a cast of it fails once a transaction that set it is over, since what stays is the empty text. Then
--   every health check, report and migration fails, and somebody works around row-level security.
-- remediation: Pass true as the second argument, and turn what is empty or malformed into null before the cast.
-- answers: DB-002
-- hipaa: 164.312(a)(1)
-- subject: policies and functions that read the tenant's setting
-- promise: each takes an unset or empty one for nobody
-- checked: select count(*) as checked from readings
select
  r.object,
  case when r.is_strict then 'fails while the setting is unset' else 'fails while the setting is empty' end as detail,
  coalesce(r.remediation,
    '-- read it as ' || (select expression from current_tenants where type = coalesce(r.type, 'text'))) as remediation
from readings as r
where r.is_strict or r.is_bare_cast
