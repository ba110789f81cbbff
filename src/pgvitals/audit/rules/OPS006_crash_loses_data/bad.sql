-- server: fsync = off
select;
