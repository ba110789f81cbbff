-- server: ssl_min_protocol_version = TLSv1.3
select;
