-- server: fsync = on
select;
