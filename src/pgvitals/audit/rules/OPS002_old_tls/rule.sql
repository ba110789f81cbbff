-- title: TLS of before 1.2
-- severity: P2
-- why: TLS 1.0 and 1.1 are broken and withdrawn; a client that can be talked into them can be read.
-- remediation: Set ssl_min_protocol_version to TLSv1.2 or newer.
-- hipaa: 164.312(e)(1)
-- cis: 6.9
-- of_server: yes
-- subject: settings of TLS
-- promise: no version before 1.2 is taken
-- checked: select count(*) as checked from server_settings where name = 'ssl_min_protocol_version'
select
  s.name as object,
  coalesce(nullif(s.setting, ''), 'unset') as detail,
  'alter system set ssl_min_protocol_version = ''TLSv1.2'';' as remediation
from server_settings as s
where s.name = 'ssl_min_protocol_version' and s.setting in ('', 'TLSv1', 'TLSv1.1')
