-- title: Encryption helper that hides what goes wrong
-- severity: P2
-- why: A function that answers null when it cannot decrypt makes a wrong key look like an empty field, and the next
--   save destroys the value. One that encrypts and calls itself immutable or stable lies to the planner, which may
--   compute it once and store the same ciphertext many times.
-- remediation: Let errors pass; declare what is random as volatile.
-- hipaa: 164.312(c)(1); 164.312(a)(2)(iv)
-- cis: 6.11
-- subject: functions that encrypt or decrypt
-- promise: each says what goes wrong, and is as volatile as it is
-- checked: select count(*) as checked from helpers
select
  h.signature as object,
  concat_ws('; ',
    case when h.hides then 'answers in silence whatever goes wrong' end,
    case when h.is_random and h.volatility <> 'v'
      then format('never answers the same twice, and is declared %s', case h.volatility when 'i' then 'immutable' else 'stable' end) end)
    as detail,
  case when h.is_random and h.volatility <> 'v' and not h.hides then format('alter function %s volatile;', h.signature)
    else format('-- take the EXCEPTION block out of %s', h.signature) end as remediation
from helpers as h
where h.hides or (h.is_random and h.volatility <> 'v')
