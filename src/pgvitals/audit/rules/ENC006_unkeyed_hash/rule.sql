-- title: Hash of health data without a key
-- severity: P1
-- why: There are few names, birthdays and telephone numbers: whoever reads a plain MD5 or SHA-256 of one tries them all
--   and has it in minutes. A keyed hash (HMAC) cannot be tried without the key. Told for generated columns, index
--   expressions and columns named like such a hash.
-- remediation: Drop it, and let the application store an HMAC under a key that the database never sees.
-- hipaa: 164.312(a)(2)(iv)
-- subject: columns of health data
-- promise: none is hashed without a key
-- checked: select count(*) as checked from health_columns
select h.object, h.detail, h.remediation
from hashes as h
