-- title: Connections without TLS
-- severity: P1
-- why: A server that listens beyond its own machine and has ssl = off sends passwords' exchanges, queries and health
--   data in the clear.
-- remediation: Give it a certificate, switch ssl on, and let pg_hba.conf take hostssl only.
-- hipaa: 164.312(e)(1)
-- cis: 6.8
-- of_server: yes
-- of_lab: no
-- subject: servers
-- promise: TLS is on, or nobody else's machine can connect
-- checked: select 1 as checked
select
  'ssl' as object,
  format('off, and the server listens on %s', (select setting from server_settings where name = 'listen_addresses')) as detail,
  E'-- first put server.crt and server.key in place\nalter system set ssl = ''on'';\n-- then reload' as remediation
where (select setting from server_settings where name = 'ssl') = 'off'
  and exists (
    select from server_settings as s, regexp_split_to_table(s.setting, '\s*,\s*') as address
    where s.name = 'listen_addresses' and address not in ('', 'localhost', '127.0.0.1', '::1'))
