constraints as (
  select t.qualified || '.' || quote_ident(k.conname) as qualified, t.qualified as table_qualified,
    quote_ident(k.conname) as quoted, k.contype, k.convalidated as is_valid, pg_get_constraintdef(k.oid) as definition,
    coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true) as is_enforced
  from tables as t
  join pg_catalog.pg_constraint as k on k.conrelid = t.oid and k.contype in ('c', 'f', 'n') and k.conparentid = 0
)
