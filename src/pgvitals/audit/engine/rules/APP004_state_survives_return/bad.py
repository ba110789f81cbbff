"""An engine whose pool rolls back, and does no more."""

import sqlalchemy as sa


def make_engine(url: sa.URL) -> sa.Engine:
    return sa.create_engine(url, pool_size=1, connect_args={"prepare_threshold": None})
