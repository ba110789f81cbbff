"""An engine that gives up waiting for a lock."""

import sqlalchemy as sa


def make_engine(url: sa.URL) -> sa.Engine:
    options = f"{url.query.get('options', '')} -c lock_timeout=100ms"
    return sa.create_engine(url.update_query_dict({"options": options}), pool_size=2)
