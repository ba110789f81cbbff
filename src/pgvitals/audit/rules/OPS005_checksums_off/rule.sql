-- title: Data pages without checksums
-- severity: P2
-- why: A page that a disk or a cable has changed is read as if nothing was, and copied into every backup. Checksums
--   find it at the first read.
-- remediation: Stop the server and run pg_checksums --enable; new clusters have them from initdb.
-- hipaa: 164.312(c)(1); 164.312(c)(2)
-- cis: 1.4
-- of_server: yes
-- subject: clusters
-- promise: pages have checksums
-- checked: select count(*) as checked from server_settings where name = 'data_checksums'
select s.name as object, s.setting as detail, '-- with the server stopped: pg_checksums --enable -D <data directory>' as remediation
from server_settings as s
where s.name = 'data_checksums' and s.setting <> 'on'
