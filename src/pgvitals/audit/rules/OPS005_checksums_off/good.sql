-- server: data_checksums = on
select;
