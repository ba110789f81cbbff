-- Where the setting is read: in conditions of policies, and in functions of the schema. Is_strict: without the
-- argument that allows it to be missing; is_bare_cast: cast with nothing between that looks at it first.
readings as (
  select p.qualified as object, bool_or(p.is_strict) as is_strict, bool_or(p.is_bare_cast) as is_bare_cast,
    null as type,
    format('alter policy %s on %s', p.quoted, p.table_qualified)
      || case when bool_or(p.clause = 'USING') then ' using (' || max(c.condition) || ')' else '' end
      || case when bool_or(p.clause = 'WITH CHECK') then ' with check (' || max(c.condition) || ')' else '' end || ';'
      as remediation
  from (
    select a.*,
      a.condition ~ ('current_setting\(''' || replace(%(tenant_setting)s, '.', '\.') || '''(::text)?\)') as is_strict,
      a.condition ~ ('(?<!NULLIF)\(current_setting\(''' || replace(%(tenant_setting)s, '.', '\.') || '''[^()]*\)\)::(uuid|bigint|integer)')
        and a.condition !~ 'CASE' as is_bare_cast
    from app_conditions as a
    where position(%(tenant_setting)s in a.condition) > 0
  ) as p
  left join tenant_conditions as c on c.table_oid = p.table_oid
  group by p.policy_oid, p.qualified, p.quoted, p.table_qualified
  union all
  select f.signature,
    f.definition ~ ('current_setting\(''' || replace(%(tenant_setting)s, '.', '\.') || '''(::text)?\)'),
    f.definition ~ ('\mcurrent_setting\(''' || replace(%(tenant_setting)s, '.', '\.') || '''[^()]*\)\)?::(uuid|bigint|integer)')
      and f.definition !~* '\mcase\M',
    f.result_type, null
  from functions as f
  where position(%(tenant_setting)s in f.definition) > 0
)
