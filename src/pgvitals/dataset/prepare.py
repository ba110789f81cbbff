"""Before the rows: look whether a load can go on or has to begin, check what can be checked, take things away.

One process at a time does this, in its turn (`ledger.turn`); afterwards it is at work until its connection ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from pgvitals.dataset import ledger
from pgvitals.dataset.catalog import schema_columns
from pgvitals.dataset.deferred import give_back, take_away
from pgvitals.dataset.ledger import Loading
from pgvitals.dataset.parts import Layout, Part, parts_of
from pgvitals.dataset.recipe import Recipe, Table
from pgvitals.dataset.snapshot import shape
from pgvitals.dataset.stored import forget
from pgvitals.dataset.unfiltered import unfiltered
from pgvitals.dataset.version import recipe_version
from pgvitals.dataset.worker import Target, become_owner, refusals_of
from pgvitals.encryption.keys import lab_provider
from pgvitals.errors import DatasetError, KeyProviderError
from pgvitals.profile import Profile
from pgvitals.system import System

_CHANGES = {
    "recipe": "the recipe has changed",
    "sizes": "the profile's sizes have changed",
    "tables": "its tables were altered",
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a load does to one system: the recipe's tables that exist there, and their parts.

    A load that was interrupted is continued only by one of the same ``identity``.
    """

    target: Target
    tables: tuple[Table, ...]
    parts: tuple[Part, ...]
    seed: int
    identity: dict[str, Any]

    @property
    def system(self) -> System:
        """Which system."""
        return self.target.system


def make_plan(
    conn: Connection, system: System, recipe: Recipe, profile: Profile, *, seed: int, revision: str | None
) -> Plan:
    """Plan the load of a system at the revision where it stands.

    Raises:
        DatasetError: it has no tables there.
    """
    columns = schema_columns(conn, system.schema_name)
    tables = tuple(table for table in recipe.tables if table.name in columns)
    if not tables:
        raise DatasetError(f"system {system.name!r} has no tables in this database; migrate it first")
    return Plan(
        target=Target(system=system, recipe=recipe, columns=columns),
        tables=tables,
        parts=parts_of(recipe, tables),
        seed=seed,
        identity={
            "profile": profile.name,
            "sizes": profile.sizes.get(system.name, {}),
            "zipf": profile.zipf,
            "as_of": profile.as_of,
            "seed": seed,
            "revision": revision,
            "recipe": recipe_version(system),
            "key-encryption key": _key_encryption_key(),
            "tables": shape(conn, system.schema_name),
        },
    )


def begin_or_join(
    conn: Connection, plans: Sequence[Plan], *, fresh: bool, joining: bool
) -> tuple[dict[str, Loading], tuple[str, ...]]:
    """Bring every system to where parts can be loaded; in one's turn.

    Args:
        joining: this is one shard of several, which never undoes what others have loaded.

    Returns:
        System -> its load, and what is worth telling of loads that were there.

    Raises:
        DatasetError: a system is loaded already, its recipe does not fit, or another process loads something else.
    """
    there = {plan.system.name: ledger.find(conn, plan.system.name) for plan in plans}
    obstacles = {
        plan.system.name: "--fresh" if fresh else _difference(conn, plan, loading)
        for plan in plans
        if (loading := there[plan.system.name]) is not None
    }
    for name, obstacle in obstacles.items():
        if obstacle and joining:
            raise DatasetError(
                f"the lab holds half a load of system {name!r} that this shard cannot join: {obstacle};"
                f" `pgvitals load --system {name} --fresh` begins anew"
            )
    news: list[str] = []
    beginning = [plan for plan in plans if there[plan.system.name] is None or obstacles[plan.system.name]]
    for plan in beginning:
        require_fit(plan)
        if there[plan.system.name] is None and not fresh:
            _require_empty(conn, plan)
    if beginning:
        _require_nobody_else(conn, [name for name, obstacle in obstacles.items() if obstacle])
    for plan in beginning:
        loading = there[plan.system.name]
        if loading is not None:
            undo(conn, plan.system, loading)
            news.append(f"{plan.system.name}: half a load was there and is begun anew: {obstacles[plan.system.name]}")
        _begin(conn, plan, fresh=fresh)
    found = {plan.system.name: ledger.find(conn, plan.system.name) for plan in plans}
    return {name: loading for name, loading in found.items() if loading is not None}, tuple(news)


def undo(conn: Connection, system: System, loading: Loading) -> None:
    """Leave a half loaded system as empty and as indexed as it was before; in one's turn, with nobody at work.

    Raises:
        DatasetError: the system was changed meanwhile, and what the load took away does not fit any more.
    """
    with refusals_of(system.name), conn.transaction():
        taken = ledger.taken_away(conn, loading)
        ledger.forget(conn, system.name)
        conn.execute("set local lock_timeout = '30s'")
        become_owner(conn, system)
        give_back(conn, system.schema_name, list(schema_columns(conn, system.schema_name)), taken)


def make_way(conn: Connection, system: System, revision: str, *, joining: bool) -> str | None:
    """Undo half a load that was begun at another revision, before the system is migrated; in one's turn.

    Returns:
        What is worth telling.

    Raises:
        DatasetError: others are at it, or would be (``joining``).
    """
    loading = ledger.find(conn, system.name)
    if loading is None or loading.identity.get("revision") == revision:
        return None
    begun = f"half a load of system {system.name!r} was begun at revision {loading.identity.get('revision')}"
    if joining:
        raise DatasetError(f"{begun} and is not finished; its migrations here end at {revision}")
    _require_nobody_else(conn, [system.name])
    undo(conn, system, loading)
    return f"{begun} and was undone"


def require_fit(plan: Plan) -> None:
    """Make and encode one unit of each table, the smallest, before anything is changed.

    Raises:
        DatasetError: the recipe does not make a required column, or values of another type.
    """
    for table in plan.tables:
        layout = Layout(table)
        number = layout.smallest()
        if number is not None:
            plan.target.fields(table, layout.unit(plan.system.name, plan.seed, number))


def _begin(conn: Connection, plan: Plan, *, fresh: bool) -> None:
    name, schema = plan.system.name, plan.system.schema_name
    tables = list(plan.target.columns)
    everything = sql.SQL(", ").join(sql.Identifier(schema, table) for table in tables)
    with refusals_of(name), conn.transaction():
        forget(conn, name)
        conn.execute("set local lock_timeout = '30s'")
        become_owner(conn, plan.system)
        conn.execute("set local row_security = off")
        conn.execute(sql.SQL("lock table {} in access exclusive mode").format(everything))
        if not fresh:
            _require_empty(conn, plan)  # somebody who is no load of ours may have been faster
        taken = take_away(conn, schema, tables)
        conn.execute("reset role")
        ledger.begin(conn, name, plan.identity, taken, plan.parts)


def _key_encryption_key() -> str:
    try:
        return lab_provider().kek_id
    except KeyProviderError:  # a recipe that needs one says so
        return ""


def _difference(conn: Connection, plan: Plan, loading: Loading) -> str | None:
    """Why a load cannot go on with this plan; None if it can."""
    for key in sorted(plan.identity.keys() | loading.identity.keys()):
        then, now = loading.identity.get(key), plan.identity.get(key)
        if then != now:
            return _CHANGES.get(key) or f"{key} {then} then, {now} now"
    if not ledger.taken_away(conn, loading).still_away(conn, plan.system.schema_name):
        return _CHANGES["tables"]
    return None


def _require_nobody_else(conn: Connection, systems: Sequence[str]) -> None:
    for name in systems:
        if not ledger.alone(conn, name):
            raise DatasetError(
                f"another process is loading system {name!r} into this database, and something else;"
                " wait until it ends, or end it"
            )


def _require_empty(conn: Connection, plan: Plan) -> None:
    with refusals_of(plan.system.name), conn.transaction():
        become_owner(conn, plan.system)
        with unfiltered(conn):
            for table in plan.target.columns:
                statement = sql.SQL("select exists (select from {})")
                found = conn.execute(statement.format(sql.Identifier(plan.system.schema_name, table))).fetchone()
                if found is not None and found[0]:
                    raise DatasetError(
                        f"system {plan.system.name!r} is already loaded: table {table!r} holds rows;"
                        " `pgvitals load --fresh` empties it first"
                    )
