-- server: pg_hba.conf = hostssl all all 203.0.113.0/24 scram-sha-256
select;
