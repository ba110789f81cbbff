-- title: Connections that leave no trace
-- severity: P3
-- why: Who connected from where, and when they left, is what an investigation asks first; without log_connections and
--   log_disconnections nobody can say.
-- remediation: Switch both on.
-- hipaa: 164.312(b)
-- cis: 3.1.20; 3.1.21
-- of_server: yes
-- of_lab: no
-- subject: settings of logging
-- promise: connections are logged, and their ends
-- checked: select count(*) as checked from server_settings where name in ('log_connections', 'log_disconnections')
select s.name as object, coalesce(nullif(s.setting, ''), 'off') as detail, format('alter system set %s = ''on'';', s.name) as remediation
from server_settings as s
where s.name in ('log_connections', 'log_disconnections') and s.setting in ('off', '')
