-- server: password_encryption = scram-sha-256
select;
