-- server: ssl = on
select;
