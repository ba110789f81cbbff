"""An engine whose connections forget."""

from typing import Any

import sqlalchemy as sa


def make_engine(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, pool_size=1, connect_args={"prepare_threshold": None})
    sa.event.listen(engine, "reset", forget)
    return engine


def forget(connection: Any, record: Any, state: Any) -> None:
    connection.rollback()
    if not state.terminate_only:
        connection.autocommit = True
        connection.execute("discard all")
        connection.autocommit = False
