"""An engine whose pool grows without end."""

import sqlalchemy as sa


def make_engine(url: sa.URL) -> sa.Engine:
    return sa.create_engine(url, pool_size=5, max_overflow=-1)
