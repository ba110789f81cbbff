-- lookalike: they are on
-- server: data_checksums = on
select;
