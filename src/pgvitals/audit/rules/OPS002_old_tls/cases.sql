-- defect: any version
-- server: ssl_min_protocol_version =
select;
-- lookalike: 1.2
-- server: ssl_min_protocol_version = TLSv1.2
select;
