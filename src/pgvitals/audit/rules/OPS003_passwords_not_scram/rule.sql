-- title: Passwords that are not kept as SCRAM
-- severity: P1
-- why: An MD5 verifier is as good as the password to who steals it, and is tried out by the billion a second.
-- remediation: Set password_encryption to scram-sha-256, and let everybody set their password again.
-- hipaa: 164.312(d)
-- cis: 6.6
-- of_server: yes
-- subject: settings of passwords
-- promise: new passwords are kept as SCRAM-SHA-256
-- checked: select count(*) as checked from server_settings where name = 'password_encryption'
select s.name as object, s.setting as detail, 'alter system set password_encryption = ''scram-sha-256'';' as remediation
from server_settings as s
where s.name = 'password_encryption' and s.setting <> 'scram-sha-256'
