# title: Bloated index
# severity: P3
# why: Pages that are mostly empty are read, cached and backed up like full ones. Told if the leaf pages are less
#   than half as full as the index's fillfactor asks for. The pages themselves are read, which needs the extension
#   pgstattuple: estimates from statistics alone are wrong too often to act on.
# remediation: Rebuild it; then look at what empties it (deletes in bulk, vacuum held back by old transactions).
# answers: DB-007
# subject: B-tree indexes from 1 MB to 1 GB
# promise: each is at least half as full as its fillfactor asks for
"""How full the leaf pages of the larger B-tree indexes are."""

from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from pgvitals.audit.declared import Looked
from pgvitals.results.audit import Finding
from pgvitals.system import System

_INSTALLED = """
select n.nspname from pg_catalog.pg_extension as e
join pg_catalog.pg_namespace as n on n.oid = e.extnamespace where e.extname = 'pgstattuple'
"""
_FULLNESS = """
select format('%I.%I', n.nspname, c.relname), s.avg_leaf_density,
  coalesce((select option_value::int from pg_options_to_table(c.reloptions) where option_name = 'fillfactor'), 90),
  pg_size_pretty(s.index_size)
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
join pg_catalog.pg_am as am on am.oid = c.relam and am.amname = 'btree'
join pg_catalog.pg_index as i on i.indexrelid = c.oid and i.indisvalid and i.indisready
cross join lateral {pgstatindex}(c.oid::regclass) as s
where n.nspname = {schema} and c.relkind = 'i' and pg_relation_size(c.oid) between 1048576 and 1073741824
"""


def probe(conn: psycopg.Connection[Any], system: System) -> Looked:
    """Read the pages of each index with ``pgstatindex``."""
    with conn.cursor(row_factory=tuple_row) as cursor:
        installed = cursor.execute(_INSTALLED).fetchone()
        if installed is None:
            return Looked(checked=0, not_applicable="needs the extension pgstattuple, which is not installed here")
        function = sql.Identifier(installed[0], "pgstatindex")
        query = sql.SQL(_FULLNESS).format(pgstatindex=function, schema=sql.Literal(system.schema_name))
        indexes = cursor.execute(query).fetchall()
    findings = (
        Finding(
            objects=(name,),
            detail=f"its leaf pages are {density:.0f} % full, its fillfactor is {asked}; {size}",
            remediation=f"reindex index concurrently {name};",
        )
        for name, density, asked, size in indexes
        if density < asked / 2
    )
    return Looked(checked=len(indexes), findings=tuple(sorted(findings, key=lambda finding: finding.objects)))
