-- server: password_encryption = md5
select;
