-- defect: their ends
-- server: log_connections = on
-- server: log_disconnections = off
select;
-- lookalike: as PostgreSQL 18 writes it
-- server: log_connections = receipt,authentication,authorization
-- server: log_disconnections = on
select;
