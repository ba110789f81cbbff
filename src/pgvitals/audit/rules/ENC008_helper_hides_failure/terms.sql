helpers as (
  select f.signature, f.volatility,
    f.definition ~* '\mexception\s+when\s+(others|external_routine_invocation_exception)\M' and f.definition !~* '\mraise\s*(;|exception)' as hides,
    f.definition ~* '\m(pgp_(sym|pub)_encrypt(_bytea)?|gen_random_bytes)\s*\(' as is_random
  from functions as f
  where f.definition ~* '\m(pgp_(sym|pub)_(en|de)crypt(_bytea)?|(en|de)crypt(_iv)?|gen_random_bytes)\s*\('
)
