-- The server's settings, for rules that are asked once of the server.

-- What is told of a setting goes before what the session sees.
server_settings as (
  select s.name::text as name, coalesce(t.value, s.setting) as setting, s.context::text as context
  from pg_catalog.pg_settings as s
  left join jsonb_each_text(%(told_settings)s::jsonb) as t on t.key = s.name
),
-- The lines of pg_hba.conf, as the file is now, and one more if that is told.
hba_lines as (
  select h.line_number, h.type, h.address, h.auth_method
  from pg_catalog.pg_hba_file_rules as h
  where h.error is null
  union all
  select 0, word[1], case when word[1] <> 'local' then word[4] end, word[cardinality(word)]
  from (select regexp_split_to_array(t.value, '\s+') as word
    from jsonb_each_text(%(told_settings)s::jsonb) as t where t.key = 'pg_hba.conf') as told
)
