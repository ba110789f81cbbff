"""A request that asks for each table's columns alone."""

import sqlalchemy as sa


def make_engine(url: sa.URL) -> sa.Engine:
    return sa.create_engine(url, pool_size=1)


def columns_of_tables(engine: sa.Engine, rows: int) -> None:
    with engine.connect() as connection:
        for (oid,) in connection.execute(sa.text("select oid from pg_class limit :rows"), {"rows": rows}).all():
            connection.execute(sa.text("select attname from pg_attribute where attrelid = :oid"), {"oid": oid})


REQUESTS = [columns_of_tables]
