-- What a condition says about a setting that is not there. A call is written as current_setting('app.x'::text, true),
-- or as the function that reads it; a subquery around it does not change what it says.
plain as (
  select c.*,
    regexp_replace(
      regexp_replace(c.condition, '\( SELECT\s((?:[^()]|\([^()]*\))*) AS "?\w+"?\)', '\1', 'g'),
      '::(text|uuid|bigint)', '', 'g') as text,
    '(?:current_setting\(''' || replace(%(tenant_setting)s, '.', '\.') || '''[^()]*\)'
      || coalesce((
        select string_agg('|' || replace(f.qualified, '.', '\.') || '\(\)', '') from policy_functions as f
        where f.policy_oid = c.policy_oid and position(%(tenant_setting)s in f.definition) > 0), '') || ')' as call
  from app_conditions as c
  where c.reads_tenant
),
told as (
  select p.*,
    case
      when p.text ~* (p.call || '\)* IS NULL') then 'unset'
      when p.text ~* (p.call || '\)* = ''''') then 'empty'
      when p.text ~* ('COALESCE\(\(*(NULLIF\(\(*)?' || p.call || '[^()]*\)*, \(*' || coalesce(m.tenant_quoted, '""') || '\)*\)')
        then 'unset: it is the row''s own then' end as hole
  from plain as p
  left join tenant_members as m on m.oid = p.table_oid
)
