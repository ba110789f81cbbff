-- title: Settings by which a crash loses or destroys data
-- severity: P1
-- why: With fsync or full_page_writes off a power cut can leave a cluster that does not start, or one that does and is
--   wrong; with synchronous_commit off the last changes that were confirmed are gone.
-- remediation: Switch them on.
-- hipaa: 164.312(c)(1)
-- cis: 6.4
-- of_server: yes
-- subject: settings of durability
-- promise: each is on
-- checked: select count(*) as checked from server_settings where name in ('fsync', 'full_page_writes', 'synchronous_commit')
select s.name as object, s.setting as detail, format('alter system set %s = ''on'';', s.name) as remediation
from server_settings as s
where s.name in ('fsync', 'full_page_writes', 'synchronous_commit') and s.setting = 'off'
