-- server: log_connections = off
-- server: log_disconnections = on
select;
