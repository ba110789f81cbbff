-- defect: a local line with trust
-- server: pg_hba.conf = local all all trust
select;
-- cure
-- server: pg_hba.conf = local all all peer
select;
-- defect: without TLS from other machines
-- server: pg_hba.conf = host all all 10.0.0.0/8 scram-sha-256
select;
-- cure
-- server: pg_hba.conf = hostssl all all 10.0.0.0/8 scram-sha-256
select;
-- defect: a password in the clear
-- server: pg_hba.conf = hostssl all all 10.0.0.0/8 password
select;
-- cure
-- server: pg_hba.conf = hostssl all all 10.0.0.0/8 cert
select;
-- lookalike: this machine only
-- server: pg_hba.conf = host all all 127.0.0.1/32 scram-sha-256
select;
-- lookalike: nobody gets in by it
-- server: pg_hba.conf = hostnossl all all 0.0.0.0/0 reject
select;
