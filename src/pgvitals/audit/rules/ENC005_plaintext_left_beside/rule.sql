-- title: Plaintext left beside its ciphertext
-- severity: P0
-- why: A migration that encrypts into a new column, and keeps the old one for a while, keeps the plaintext: in every
--   row, and in every backup since.
-- remediation: Drop the readable column once nothing reads it, and vacuum; old backups hold it still.
-- hipaa: 164.312(a)(2)(iv)
-- subject: columns of ciphertext
-- promise: none has its plaintext beside it
-- checked: select count(*) as checked from sealed_columns
select
  p.qualified as object,
  format('%s, beside the ciphertext in %s', p.type, c.quoted) as detail,
  format('alter table %s drop column %s;', c.table_qualified, p.quoted) as remediation
from sealed_columns as c
join columns as p on p.table_oid = c.table_oid and p.attnum <> c.attnum and p.base_type <> 'bytea'
  and (p.name = c.stem or p.name ~ ('^(' || c.stem || '_(plain|plaintext|old|text|clear|raw|unencrypted|backup)|(plain|old|raw)_' || c.stem || ')$'))
