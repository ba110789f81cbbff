births as (
  select c.*, t.qualified as table_qualified, t.name as table_name
  from tables as t
  join columns as c on c.table_oid = t.oid
  where not t.is_partition and c.base_type ~ '^(date|timestamp)'
    and c.name ~* '^(date_of_birth|birth_?date|birth_?day|dob|born_on|born)$'
)
