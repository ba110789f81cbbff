"""Requests through the ORM: a SQLAlchemy session as the application's role, and every statement that it sends.

A request is a transaction with the tenant (and who acts) set for it alone, as `Runner` makes them for a query file.
Counted is what the session sends in between: neither the setting nor BEGIN and its end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, NamedTuple, Self

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.orm import Session, sessionmaker

from pgvitals.dataset.unfiltered import unfiltered
from pgvitals.encryption import KeyRing, fetch_from, lab_provider
from pgvitals.encryption.flush import KEY_RING
from pgvitals.encryption.stored import KEY_TABLE
from pgvitals.errors import MeasureError
from pgvitals.lab.database import Database
from pgvitals.measure.runner import Call
from pgvitals.refusal import refusal
from pgvitals.suite import find_suite, load_module
from pgvitals.system import System

_WRITTEN = (
    "select schemaname, relname from pg_stat_xact_user_tables where n_tup_ins + n_tup_upd + n_tup_del > 0 order by 1, 2"
)

Work = Callable[[Session, dict[str, Any]], Sequence[Any]]
"""What a request does with its session and its parameters; returns the rows that the answer shows."""


class Sent(NamedTuple):
    """One statement as the driver got it, with its parameters."""

    sql: str
    parameters: Any


class Answer(NamedTuple):
    """What a request returned, and the statements that it sent for it."""

    rows: Sequence[Any]
    statements: tuple[Sent, ...]


def models(system: str, beside: str | Path) -> ModuleType:
    """A system's ``models.py``, of the suite that the file ``beside`` belongs to.

    Raises:
        SuiteError: there is no such suite, system or file, or it does not import.
    """
    return _models_in(find_suite(Path(beside).parent).system(system).folder)


@cache
def _models_in(folder: Path) -> ModuleType:
    """Once: two classes for one table would be two to SQLAlchemy."""
    return load_module(folder / "models.py", f"{folder.name}_models")


class Application:
    """One system's application: sessions of its role on one connection, with the tenants' keys at hand.

    The key ring reads over connections of its own and keeps what it has read, as in a process that has been up for
    a while: a request whose tenant was :meth:`met <meet>` sends no statement for keys, except what sealing needs.
    """

    def __init__(self, database: Database, system: System) -> None:
        self.system = system
        self._database = database
        self._engine = database.engine(system.roles.app)
        self._engine.hide_parameters = True  # an error shows no row's value
        self._keys = database.engine(system.roles.app)
        self._sent: list[Sent] = []
        info: dict[str, Any] = {}
        if KEY_TABLE in system.tenant_tables:
            fetch = fetch_from(self._keys, f"{system.schema_name}.{KEY_TABLE}", setting=system.tenant.setting)
            info[KEY_RING] = KeyRing(lab_provider(), fetch, max_age_s=float("inf"))
        self._ring: KeyRing | None = info.get(KEY_RING)
        self._session = sessionmaker(self._engine, info=info, expire_on_commit=False)
        sa.event.listen(self._engine, "before_cursor_execute", self._note)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.dispose()
        self._keys.dispose()

    @property
    def statements(self) -> tuple[Sent, ...]:
        """What the open request has sent so far; an ``executemany`` is one statement."""
        return tuple(self._sent)

    def meet(self, calls: Sequence[Call]) -> None:
        """Read the keys of every tenant among the requests.

        Raises:
            EncryptionError: a key does not unwrap.
        """
        if self._ring is not None:
            column = self.system.tenant.column
            for tenant in {str(call.parameters[column]) for call in calls if call.parameters.get(column) is not None}:
                self._ring.refresh(tenant)

    def begin(self, call: Call) -> Session:
        """Open a request's transaction, read-only unless it writes, and set its tenant and actor."""
        session = self._session()
        options = {} if call.writes else {"postgresql_readonly": True}
        connection = session.connection(execution_options=options)
        if call.settings:
            pairs = ", ".join(["set_config(%s, %s, true)"] * (len(call.settings) // 2))
            connection.exec_driver_sql(f"select {pairs}", call.settings)
        self._sent.clear()
        return session

    def end(self, session: Session, call: Call) -> None:
        """End a request: what it wrote is rolled back.

        ROLLBACK goes to the server as it is, because psycopg would forget every prepared statement with it; an
        application, which commits, keeps them.
        """
        if call.writes:
            _driver(session).pgconn.exec_(b"rollback")
            session.rollback()
        else:
            session.commit()
        session.close()

    def abandon(self, session: Session) -> None:
        """Roll back whatever is open; on a lost connection there is nothing to roll back."""
        with suppress(sa.exc.SQLAlchemyError, psycopg.Error):
            session.close()

    def send(self, work: Work, call: Call) -> Answer:
        """One request, not timed.

        Raises:
            MeasureError: it fails; values of rows and parameters are not repeated.
            EncryptionError: what it read does not open.
        """
        session: Session | None = None
        try:
            session = self.begin(call)
            answer = Answer(work(session, call.parameters), self.statements)
            self.end(session, call)
        except (sa.exc.SQLAlchemyError, psycopg.Error) as error:
            raise MeasureError(failure(call, error)) from None
        finally:
            if session is not None:
                self.abandon(session)
        return answer

    def written_tables(self, work: Work, call: Call) -> tuple[tuple[str, str], ...]:
        """(schema, table) of what a request writes, triggers included; it is sent once to see."""
        session = self.begin(call)
        try:
            work(session, call.parameters)
            found = session.connection().exec_driver_sql(_WRITTEN).all()
            self.end(session, call)
        finally:
            self.abandon(session)
        return tuple((str(schema), str(table)) for schema, table in found)

    @contextmanager
    def leaves_no_trace(self) -> Iterator[None]:
        """Count the rows of every table of the system before and after the block.

        Raises:
            MeasureError: a table has another number of rows afterwards.
        """
        before = self._row_counts()
        yield
        after = self._row_counts()
        for table, rows in before.items():
            if after[table] != rows:
                raise MeasureError(
                    f"table {table} held {rows} rows before and holds {after[table]} afterwards; "
                    "load it again (`pgvitals load --fresh`), and let the request commit nothing"
                )

    def _row_counts(self) -> dict[str, int]:
        schema = self.system.schema_name
        with self._database.connect() as conn, unfiltered(conn):
            names = conn.execute(
                "select relname from pg_class where relnamespace = %s::regnamespace and relkind = 'r' order by 1",
                (schema,),
            ).fetchall()
            count = sql.SQL("select count(*) from {}")
            return {
                f"{schema}.{name}": conn.execute(count.format(sql.Identifier(schema, name))).fetchall()[0][0]
                for (name,) in names
            }

    def _note(self, conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
        self._sent.append(Sent(statement, parameters))


class Driver:
    """The same statements without the ORM: a connection of the same role with psycopg's own defaults."""

    def __init__(self, database: Database, system: System) -> None:
        self._connection = database.connect(system.roles.app, autocommit=False)
        self._connection.read_only = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def time(self, statements: Sequence[Sent], call: Call) -> int:
        """Nanoseconds of executing and fetching them in one transaction with the request's settings."""
        with self._connection.cursor() as cursor:
            for name, value in zip(call.settings[::2], call.settings[1::2], strict=True):
                cursor.execute("select set_config(%s, %s, true)", (name, value))
            start = time.perf_counter_ns()
            for each in statements:
                cursor.execute(each.sql.encode(), each.parameters)
                cursor.fetchall()
            taken = time.perf_counter_ns() - start
        self._connection.commit()
        return taken


def failure(call: Call, error: BaseException) -> str:
    """One line about a failed request: its file and name, and what the server said without values of rows."""
    return f"{call.query.path}: {call.query.name}: fails with {refusal(error)}"


def _driver(session: Session) -> psycopg.Connection[Any]:
    """The psycopg connection under a session."""
    connection = session.connection().connection.dbapi_connection
    assert isinstance(connection, psycopg.Connection)
    return connection
