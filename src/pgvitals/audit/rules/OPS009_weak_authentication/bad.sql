-- server: pg_hba.conf = hostssl all all 203.0.113.0/24 trust
select;
