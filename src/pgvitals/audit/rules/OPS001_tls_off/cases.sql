-- defect: one address of several
-- server: ssl = off
-- server: listen_addresses = localhost, 10.0.0.7
select;
-- lookalike: it listens to itself only
-- server: ssl = off
-- server: listen_addresses = localhost,::1
select;
-- lookalike: nothing but a socket
-- server: ssl = off
-- server: listen_addresses =
select;
