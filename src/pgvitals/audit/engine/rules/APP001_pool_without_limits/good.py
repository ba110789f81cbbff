"""An engine whose pool is bounded, in numbers that somebody chose."""

import sqlalchemy as sa


def make_engine(url: sa.URL) -> sa.Engine:
    return sa.create_engine(url, pool_size=5, max_overflow=10, pool_timeout=30)
