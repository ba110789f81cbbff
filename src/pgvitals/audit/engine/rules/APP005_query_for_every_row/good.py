"""A request that asks for the columns of all of its tables at once."""

import sqlalchemy as sa


def make_engine(url: sa.URL) -> sa.Engine:
    return sa.create_engine(url, pool_size=1)


def columns_of_tables(engine: sa.Engine, rows: int) -> None:
    with engine.connect() as connection:
        tables = connection.execute(sa.text("select oid from pg_class limit :rows"), {"rows": rows})
        oids = list(tables.scalars())
        connection.execute(sa.text("select attname from pg_attribute where attrelid = any(:oids)"), {"oids": oids})


REQUESTS = [columns_of_tables]
