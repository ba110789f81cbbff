-- server: log_connections = on
-- server: log_disconnections = on
select;
