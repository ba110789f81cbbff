documented as (
  select * from unnest(%(documented_tables)s, %(documented_names)s, %(documented_checks)s) as d (table_name, name, condition)
)
