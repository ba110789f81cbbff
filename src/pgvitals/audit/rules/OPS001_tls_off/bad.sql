-- server: ssl = off
-- server: listen_addresses = *
select;
