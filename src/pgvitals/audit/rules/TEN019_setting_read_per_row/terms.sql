-- What each condition calls to know the tenant: current_setting, or functions that read the setting.
calls as (
  select c.*, v.call
  from app_conditions as c
  cross join lateral (
    select 'current_setting' as call where position(%(tenant_setting)s in c.condition) > 0
    union all
    select f.qualified from policy_functions as f
    where f.policy_oid = c.policy_oid and position(f.qualified || '()' in c.condition) > 0
      and position(%(tenant_setting)s in f.definition) > 0
  ) as v
),
-- The condition without its scalar subqueries that read from no table: what calls it outside of them is bare.
-- pg_get_expr writes such a one as ( SELECT call AS name); parentheses inside are matched to a depth of four.
asking as (
  select c.*,
    position(c.call || '(' in regexp_replace(c.condition,
      '\( SELECT\s(?:(?!FROM)(?:[^()]|\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\)))* AS "?\w+"?\)', '', 'g')) > 0
      as is_bare,
    case c.call
      when 'current_setting'
        then regexp_replace(c.condition, '(current_setting\([^()]*\))', '(select \1)', 'g')
      else replace(c.condition, c.call || '()', '(select ' || c.call || '())') end as wrapped
  from calls as c
)
