-- title: Secret stored readable
-- severity: P0
-- why: A password, a token or a key that stands in a row as it is lets in whoever reads that row: in a backup, in a
--   log, by an injected query. A token is looked up by its hash as well; a password is checked by a slow one. Known
--   by name and type; what is called a hash, ciphertext or wrapped is not told.
-- remediation: Store a hash (SHA-256 of a random token, a slow salted one of a password), or the ciphertext.
-- hipaa: 164.312(d); 164.312(a)(2)(iv)
-- cis: 6.11
-- subject: columns of texts and bytes
-- promise: none is named like a secret that is stored as it is
-- checked: select count(*) as checked from columns where base_type ~ '^(text|character|bytea)'
select
  c.qualified as object,
  format('%s, named like a secret', c.type) as detail,
  case when c.name ~ '(token|api_key|access_key)$' and c.base_type <> 'bytea' and length(c.name) <= 58
    then format(E'alter table %1$s alter column %2$s drop default, alter column %2$s type text '
      'using encode(sha256(convert_to(%2$s, ''UTF8'')), ''hex'');\nalter table %1$s rename column %2$s to %3$I;',
      t.qualified, c.quoted, c.name || '_hash')
    else format('-- store a hash or the ciphertext, then: alter table %s drop column %s;', t.qualified, c.quoted) end as remediation
from tables as t
join columns as c on c.table_oid = t.oid
where c.base_type ~ '^(text|character|bytea)' and not t.is_partition
  and c.name ~* '(^|_)(password|passwd|passphrase|secret|token|api_key|access_key|private_key|secret_key|key_material|plaintext_key|data_key|ssn|social_security_number|pin_code)$'
  and c.name !~* '(^|_)(wrapped|encrypted|sealed|hashed|public)_'
  and not (c.base_type = 'bytea' and t.name || '.' || c.name = any (%(phi_columns)s))
