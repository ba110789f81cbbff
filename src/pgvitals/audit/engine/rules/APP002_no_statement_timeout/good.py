"""An engine whose statements end."""

import sqlalchemy as sa


def make_engine(url: sa.URL) -> sa.Engine:
    options = f"{url.query.get('options', '')} -c statement_timeout=100ms"
    return sa.create_engine(url.update_query_dict({"options": options}), pool_size=1)
