-- defect: as older versions write it
-- server: password_encryption = on
select;
-- lookalike: as it should be
-- server: password_encryption = scram-sha-256
select;
