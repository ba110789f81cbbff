-- Indexes whose first column has statistics, of tables that are large enough for it to matter. Left out are
-- those that the tenant leads, that enforce something, or that a foreign key needs.
judged as (
  select i.oid, i.qualified, i.is_partitioned, i.key_count, c.quoted as column_quoted, t.row_estimate,
    s.n_distinct, s.null_frac,
    (select min(share) from unnest(s.most_common_freqs) as share) as rarest,
    cardinality(s.most_common_freqs) as listed
  from indexes as i
  join tables as t on t.oid = i.table_oid and t.row_estimate >= 10000
  join columns as c on c.table_oid = i.table_oid and c.attnum = i.key_attnums[1] and c.name <> %(tenant_column)s
  join pg_catalog.pg_stats as s on s.schemaname = %(schema)s and s.tablename = t.name and s.attname = c.name
    and s.inherited = t.is_partitioned
  where i.method = 'btree' and i.predicate is null and not i.is_unique and not i.is_attached and i.is_valid
    and i.oid not in (select f.index_oid from foreign_key_indexes as f)
)
