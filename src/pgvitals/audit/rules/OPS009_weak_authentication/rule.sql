-- title: Way in without a proof of who it is
-- severity: P0
-- why: A line of pg_hba.conf with trust lets anybody in under any name; password sends the password in the clear; md5
--   keeps what is as good as the password; host and hostnossl from other machines take connections without TLS. The
--   file is read as it is now, also what waits for a reload. Only a superuser may read it.
-- remediation: Write hostssl and scram-sha-256 (or cert) instead, then reload.
-- hipaa: 164.312(d); 164.312(e)(1)
-- cis: 5.3; 5.4
-- of_server: yes
-- of_lab: no
-- subject: lines of pg_hba.conf
-- promise: each asks for a proof, and for TLS from other machines
-- checked: select count(*) as checked from hba_lines
select
  format('pg_hba.conf line %s', h.line_number) as object,
  concat_ws('; ',
    case h.auth_method when 'trust' then 'trust lets anybody in' when 'password' then 'password sends it in the clear'
      when 'md5' then 'md5 is as good as the password to who steals it' end,
    case when h.is_open then format('%s takes connections from other machines without TLS', h.type) end) as detail,
  format('-- in pg_hba.conf: write %s and scram-sha-256 instead, then reload',
    case when h.type = 'local' then 'local' else 'hostssl' end) as remediation
from (
  select r.*, r.type in ('host', 'hostnossl', 'hostnogssenc') and r.auth_method <> 'reject'
      and r.address not in ('127.0.0.1', '127.0.0.1/32', '::1', '::1/128', 'localhost', 'samehost') as is_open
  from hba_lines as r
) as h
where h.auth_method in ('trust', 'password', 'md5') or h.is_open
