"""A request that writes all or nothing."""

import sqlalchemy as sa


def make_engine(url: sa.URL) -> sa.Engine:
    return sa.create_engine(url, pool_size=1)


def sign_up(engine: sa.Engine, rows: int) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("create temporary table if not exists people (name text)"))
        for _ in range(rows):
            connection.execute(sa.text("insert into people values ('somebody')"))


REQUESTS = [sign_up]
