"""An engine that waits for locks as long as it takes."""

import sqlalchemy as sa


def make_engine(url: sa.URL) -> sa.Engine:
    return sa.create_engine(url, pool_size=2)
