-- server: data_checksums = off
select;
