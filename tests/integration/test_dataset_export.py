"""A dataset as Parquet files: every value as it stands in the database, whole or not there."""

from __future__ import annotations

import json
import resource
import string
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_interface
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pandas as pd
import psycopg
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.types.json import Jsonb

from pgvitals.dataset import export as exporting
from pgvitals.dataset import parquet
from pgvitals.dataset.export import Export, export
from pgvitals.dataset.load import load
from pgvitals.dataset.progress import Step
from pgvitals.dataset.stored import remember
from pgvitals.errors import DatasetError, GuardError
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import upgrade
from pgvitals.results.records import Dataset, TableRows
from pgvitals.suite import Suite, find_suite

SYSTEM = """
title = "one value of each kind"
schema = "zoo"
[tenant]
table = "keepers"
column = "keeper_id"
setting = "app.keeper"
traffic_table = "animals"
[roles]
owner = "{owner}"
app = "zoo_app"
"""
COLUMNS = {
    "flag": "boolean",
    "small": "smallint",
    "whole": "integer",
    "large": "bigint",
    "single": "real",
    "double": "double precision",
    "id": "uuid",
    "born": "date",
    "fed": "timestamptz",
    "seen": "timestamp",
    "price": "numeric(10,2)",
    "mass": "numeric(38,0)",
    "name": "varchar(60)",
    "story": "text",
    "tags": "text[]",
    "labels": "varchar(20)[]",
    "facts": "jsonb",
    "source": "json",
    "image": "bytea",
    "camera": "inet",
    "mood": "zoo.mood",
    "grade": "zoo.grade",
    "code": "char(3)",
}
LEAST, MOST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=50) | st.sampled_from(
    ["", "\\N", "null", '"', "a,b", "a\nb", "\r\n", "\\.", "{}", "ß", "𝄞"]
)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
VALUES = {
    "flag": st.booleans(),
    "small": st.integers(-(2**15), 2**15 - 1),
    "whole": st.integers(-(2**31), 2**31 - 1),
    "large": st.integers(-(2**63), 2**63 - 1),
    "single": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "id": st.uuids(),
    "born": st.dates(),
    "fed": st.datetimes(LEAST, MOST, timezones=st.just(UTC)),
    "seen": st.datetimes(LEAST, MOST),
    "price": st.decimals("-99999999.99", "99999999.99", places=2),
    "mass": st.integers(-(10**38) + 1, 10**38 - 1).map(Decimal),
    "name": TEXTS,
    "story": TEXTS,
    "tags": st.lists(TEXTS | st.none(), max_size=4),
    "labels": st.lists(st.text(string.printable, max_size=20), max_size=4),
    "facts": JSONS,
    "source": JSONS,
    "image": st.binary(max_size=60),
    "camera": st.ip_addresses().map(str) | st.just("10.1.2.0/24") | st.just("2001:db8::/32"),
    "mood": st.sampled_from(["calm", "hungry", "not amused"]),
    "grade": st.integers(1, 5),
    "code": st.text(string.ascii_letters, min_size=3, max_size=3),
}
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()}), max_size=12)


@pytest.fixture(scope="module")
def zoo_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Suite]:
    """Makes a suite of one system, whose owner has this name."""

    def make(owner: str) -> Suite:
        root = tmp_path_factory.mktemp("zoo")
        (root / "fixtures" / "zoo").mkdir(parents=True)
        (root / "pyproject.toml").write_text("[tool.pgvitals]\n")
        (root / "fixtures" / "zoo" / "system.toml").write_text(SYSTEM.format(owner=owner))
        return find_suite(root)

    return make


@pytest.fixture(scope="module")
def zoo(zoo_of: Callable[[str], Suite]) -> Suite:
    """A suite of one system, which has never been loaded."""
    return zoo_of("zoo_owner")


def open_zoo(database: Database, rows: int = 0) -> None:
    """Its two tables, and the record of a load of so many animals."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(type_)) for name, type_ in COLUMNS.items()
    )
    with database.connect() as conn:
        conn.execute("create schema zoo")
        conn.execute("create type zoo.mood as enum ('calm', 'hungry', 'not amused')")
        conn.execute("create domain zoo.grade as integer check (value between 1 and 5)")
        conn.execute(sql.SQL("create table zoo.animals ({})").format(columns))
        conn.execute("alter table zoo.animals add gone text")
        conn.execute("alter table zoo.animals drop gone")
        conn.execute("create table zoo.keepers (id bigint not null, name text not null)")
        table = TableRows(system="zoo", table="animals", rows=rows, size_bytes=8192, checksum="0")
        remember(
            conn,
            Dataset(profile="tiny", seed=7, checksum="ab", tables=(table,), load_s=1.0, revisions={"zoo": "zoo_1"}),
        )


@pytest.fixture
def animals(database: Database) -> Database:
    """A database with an empty zoo."""
    open_zoo(database)
    return database


@pytest.fixture(scope="module")
def kept(server: Server) -> Iterator[Database]:
    """The same for many examples."""
    with server.scratch("zoo") as made:
        open_zoo(made)
        yield made


def stored(conn: psycopg.Connection, rows: list[dict[str, Any]]) -> None:
    """Put rows into the zoo."""
    names = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    values = sql.SQL(", ").join(sql.SQL("%s::{}").format(sql.SQL(type_)) for type_ in COLUMNS.values())
    statement = sql.SQL("insert into zoo.animals ({}) values ({})").format(names, values)
    for row in rows:
        adapted = {**row, "facts": as_json(row["facts"]), "source": as_json(row["source"])}
        conn.execute(statement, [adapted[name] for name in COLUMNS])


def as_json(value: Any) -> Jsonb | None:
    return None if value is None else Jsonb(value)


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as it was given, from what Parquet says of it."""
    return {
        **row,
        "facts": None if row["facts"] is None else json.loads(row["facts"]),
        "source": None if row["source"] is None else json.loads(row["source"]),
        "camera": None if row["camera"] is None else ip_interface(row["camera"]),
    }


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_any_value_of_any_type_arrives_as_it_was(
    zoo: Suite, kept: Database, tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    with kept.connect() as conn:
        conn.execute("truncate zoo.animals")
        stored(conn, rows)
    folder = tmp_path / str(uuid4())
    done = export(zoo, kept, folder)
    found = pq.read_table(folder / "zoo" / "animals.parquet").to_pylist()
    assert {table.table: table.rows for table in done.tables} == {"animals": len(rows), "keepers": 0}
    expected = [{**row, "camera": None if row["camera"] is None else ip_interface(row["camera"])} for row in rows]
    assert [plain(row) for row in found] == expected


def test_types_are_the_narrowest_that_hold_the_column(zoo: Suite, animals: Database, tmp_path: Path) -> None:
    done = export(zoo, animals, tmp_path / "out")
    (table, keepers) = done.tables
    assert {column.name: (column.postgresql, column.arrow) for column in table.columns} == {
        "flag": ("boolean", "bool"),
        "small": ("smallint", "int16"),
        "whole": ("integer", "int32"),
        "large": ("bigint", "int64"),
        "single": ("real", "float"),
        "double": ("double precision", "double"),
        "id": ("uuid", "extension<arrow.uuid>"),
        "born": ("date", "date32[day]"),
        "fed": ("timestamp with time zone", "timestamp[us, tz=UTC]"),
        "seen": ("timestamp without time zone", "timestamp[us]"),
        "price": ("numeric(10,2)", "decimal128(10, 2)"),
        "mass": ("numeric(38,0)", "decimal128(38, 0)"),
        "name": ("character varying(60)", "string"),
        "story": ("text", "string"),
        "tags": ("text[]", "list<item: string>"),
        "labels": ("character varying(20)[]", "list<item: string>"),
        "facts": ("jsonb", "string"),
        "source": ("json", "string"),
        "image": ("bytea", "binary"),
        "camera": ("inet", "string"),
        "mood": ("zoo.mood", "string"),
        "grade": ("zoo.grade", "int32"),
        "code": ("character(3)", "string"),
    }
    assert {column.name: column.nullable for column in keepers.columns} == {"id": False, "name": False}
    assert pq.read_schema(tmp_path / "out" / "zoo" / "animals.parquet").names == list(COLUMNS)


def test_a_type_without_an_equal_leaves_as_text(zoo: Suite, animals: Database, tmp_path: Path) -> None:
    with animals.connect(timezone="Asia/Tokyo", intervalstyle="iso_8601") as conn:
        conn.execute("create table zoo.odd (a interval, b numeric, c int[], d numrange, e time, f cidr)")
        conn.execute("insert into zoo.odd values ('1 day 2 h', 1.50, '{1,2}', '[1,2)', '24:00', '10.0.0.0/8')")
    export(zoo, animals, tmp_path / "out", tables=["odd"])
    assert pq.read_table(tmp_path / "out" / "zoo" / "odd.parquet").to_pylist() == [
        {"a": "1 day 02:00:00", "b": "1.50", "c": "{1,2}", "d": "[1,2)", "e": "24:00:00", "f": "10.0.0.0/8"}
    ]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("fed", "infinity"),
        ("fed", "-infinity"),
        ("fed", "294276-12-31"),
        ("born", "infinity"),
        ("born", "-infinity"),
        ("price", "NaN"),
        ("tags", "{{secret,b},{c,d}}"),
    ],
)
def test_a_value_that_parquet_cannot_hold_is_an_error_that_names_the_column(
    zoo: Suite, animals: Database, tmp_path: Path, column: str, value: str
) -> None:
    with animals.connect() as conn:
        conn.execute(sql.SQL("insert into zoo.animals ({}) values (%s)").format(sql.Identifier(column)), (value,))
    with pytest.raises(DatasetError, match=rf"^zoo\.animals: column '{column}' holds a value of type") as caught:
        export(zoo, animals, tmp_path / "out")
    assert value not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_large_table_is_several_row_groups_of_one_file(
    zoo: Suite, animals: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "GROUP_ROWS", 300)
    monkeypatch.setattr(parquet, "GROUP_BYTES", 100_000)
    monkeypatch.setattr(parquet, "SLICE_ROWS", 100)
    monkeypatch.setattr(parquet, "SLICE_BYTES", 50_000)
    with animals.connect() as conn:
        conn.execute("insert into zoo.keepers select i, 'k' || i from generate_series(1, 1000) i")
        conn.execute("insert into zoo.keepers select i, repeat('x', 30000) from generate_series(1001, 1010) i")
    steps: list[Step] = []
    export(zoo, animals, tmp_path / "out", tables=["zoo.keepers"], progress=steps.append)
    file = pq.ParquetFile(tmp_path / "out" / "zoo" / "keepers.parquet")
    groups = [file.metadata.row_group(k).num_rows for k in range(file.metadata.num_row_groups)]
    assert groups == [300, 300, 300, 104, 4, 2]
    assert file.read()["id"].to_pylist() == list(range(1, 1011))
    assert [step.rows_done for step in steps] == [0, 300, 600, 900, 1004, 1008, 1010]


def test_all_tables_are_of_one_moment(zoo: Suite, animals: Database, tmp_path: Path) -> None:
    def meanwhile(step: Step) -> None:
        with animals.connect() as conn:
            conn.execute("insert into zoo.keepers values (1, 'late')")

    done = export(zoo, animals, tmp_path / "out", progress=meanwhile)
    assert [(table.table, table.rows) for table in done.tables] == [("animals", 0), ("keepers", 0)]


def test_nobody_empties_a_table_that_is_being_written(zoo: Suite, animals: Database, tmp_path: Path) -> None:
    refused: list[str] = []

    def meanwhile(step: Step) -> None:
        with animals.connect() as conn:
            conn.execute("set lock_timeout = '10ms'")
            for table in ("keepers", "animals"):
                try:
                    conn.execute(sql.SQL("truncate zoo.{}").format(sql.Identifier(table)))
                except psycopg.errors.LockNotAvailable:
                    refused.append(table)

    with animals.connect() as conn:
        conn.execute("insert into zoo.animals (flag) values (true), (false)")
    done = export(zoo, animals, tmp_path / "out", progress=meanwhile)
    assert set(refused) == {"animals", "keepers"}
    assert {table.table: table.rows for table in done.tables}["animals"] == 2


def test_a_lab_that_is_being_loaded_meanwhile_is_not_exported(
    zoo: Suite, animals: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = exporting._hold

    def anew(*held: Any) -> None:
        with animals.connect() as conn:
            conn.execute("update pgvitals.dataset set record = jsonb_set(record, '{seed}', '77')")
        hold(*held)

    monkeypatch.setattr(exporting, "_hold", anew)
    with pytest.raises(DatasetError, match="is being loaded by another command"):
        export(zoo, animals, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_rows_that_changed_since_the_load_show_in_the_record(zoo: Suite, animals: Database, tmp_path: Path) -> None:
    with animals.connect() as conn:
        conn.execute("insert into zoo.animals (flag) values (true), (false)")
    done = export(zoo, animals, tmp_path / "out")
    assert [(table.table, table.rows, table.loaded_rows) for table in done.tables] == [
        ("animals", 2, 0),
        ("keepers", 0, None),
    ]


def test_an_owner_who_is_no_superuser_gets_every_row(
    zoo_of: Callable[[str], Suite], server: Server, animals: Database, tmp_path: Path
) -> None:
    owner = f"zoo_{uuid4().hex[:8]}"
    with animals.connect() as conn:
        conn.execute("insert into zoo.keepers values (1, 'Ada'), (2, 'Grace')")
        conn.execute(f"create role {owner} login password 'zoo'")
        conn.execute(f"grant usage on schema zoo, pgvitals to {owner}")
        conn.execute(f"grant select on all tables in schema pgvitals to {owner}")
        for table in ("animals", "keepers"):
            conn.execute(f"alter table zoo.{table} owner to {owner}")
            conn.execute(f"alter table zoo.{table} enable row level security, force row level security")
    as_owner = replace(animals, params={**animals.params, "user": owner, "password": "zoo"})
    try:
        with as_owner.connect() as conn:
            assert conn.execute("select count(*) from zoo.keepers").fetchone() == (0,)
        export(zoo_of(owner), as_owner, tmp_path / "out")
        with as_owner.connect() as conn:
            assert conn.execute("select count(*) from zoo.keepers").fetchone() == (0,), "FORCE is back"
    finally:
        with animals.connect() as conn:
            conn.execute(f"drop owned by {owner}")
            conn.execute(f"drop role {owner}")
    found = pq.read_table(tmp_path / "out" / "zoo" / "keepers.parquet").to_pylist()
    assert found == [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Grace"}]


def test_a_database_that_is_not_ours_is_refused(zoo: Suite, server: Server, tmp_path: Path) -> None:
    with server.scratch("plain") as plain_:
        with plain_.connect() as conn:
            conn.execute("drop schema pgvitals cascade")
        with pytest.raises(GuardError, match="was not made by pgvitals"):
            export(zoo, plain_, tmp_path / "out")
        with plain_.connect() as conn:  # as scratch asks for on the way out
            from pgvitals.lab.guard import stamp

            stamp(conn)
    assert list(tmp_path.iterdir()) == []


def test_a_lab_that_holds_nothing_says_how_to_fill_it(zoo: Suite, database: Database, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="the lab holds no dataset yet; fill it with `pgvitals load`"):
        export(zoo, database, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_system_or_table_that_is_not_there_is_named(
    suite: Suite, zoo: Suite, animals: Database, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=r"no table 'nope' in the lab; there are: zoo\.animals, zoo\.keepers"):
        export(zoo, animals, tmp_path / "out", tables=["nope"])
    with pytest.raises(DatasetError, match="holds no rows of system 'pazpaz'; `pgvitals load --system pazpaz`"):
        export(suite, animals, tmp_path / "out", systems=["pazpaz"])
    assert list(tmp_path.iterdir()) == []


def test_an_empty_directory_is_taken_and_any_other_is_refused(zoo: Suite, animals: Database, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    export(zoo, animals, tmp_path / "empty")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(DatasetError, match="empty: exists and is not empty; name a new directory"):
        export(zoo, animals, tmp_path / "empty")
    with pytest.raises(DatasetError, match=r"dataset\.json: exists and is no directory; name a new one"):
        export(zoo, animals, tmp_path / "empty" / "dataset.json")
    with pytest.raises(DatasetError, match=r"json: cannot be written \(File exists\); free space or name another"):
        export(zoo, animals, tmp_path / "empty" / "dataset.json" / "below")
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_an_interrupt_leaves_nothing(zoo: Suite, animals: Database, tmp_path: Path) -> None:
    def interrupted(step: Step) -> None:
        if step.rows_done:
            raise KeyboardInterrupt

    with animals.connect() as conn:
        conn.execute("insert into zoo.keepers select i, 'k' || i from generate_series(1, 400000) i")
    with pytest.raises(KeyboardInterrupt):
        export(zoo, animals, tmp_path / "out", progress=interrupted)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(zoo: Suite, animals: Database, tmp_path: Path) -> None:
    with animals.connect() as conn:
        conn.execute("insert into zoo.keepers select i, md5(i::text) from generate_series(1, 20000) i")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # no file may be longer, as if there was no space
    try:
        with pytest.raises(DatasetError, match=r"out: cannot be written \(File too large\); free space"):
            export(zoo, animals, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_export_left_half_written_is_removed(zoo: Suite, animals: Database, tmp_path: Path) -> None:
    (tmp_path / ".out.pgvitals-partial-999999999" / "zoo").mkdir(parents=True)
    (tmp_path / ".outer.pgvitals-partial-999999999").mkdir()
    (tmp_path / ".out.pgvitals-partial-1").mkdir()
    export(zoo, animals, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".out.pgvitals-partial-1",
        ".outer.pgvitals-partial-999999999",
        "out",
    ]


@pytest.fixture(scope="module")
def smoke(
    suite: Suite, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, Path, Export]]:
    """Profile smoke of all systems, and where it was exported to."""
    folder = tmp_path_factory.mktemp("export") / "smoke"
    with server.scratch("smoke") as made:
        upgrade(suite, made)
        load(suite, made, suite.profiles.get("smoke"))
        yield made, folder, export(suite, made, folder)


def test_every_row_of_every_system_is_in_the_files(suite: Suite, smoke: tuple[Database, Path, Export]) -> None:
    database, folder, done = smoke
    with database.connect() as conn:
        tables = conn.execute(
            "select schemaname, tablename from pg_tables where schemaname in ('pazpaz', 'portal', 'practice')"
        ).fetchall()
        assert {(table.system, table.table) for table in done.tables} == set(tables)
        for each in done.tables:
            asked = [shown(column.name, column.postgresql) for column in each.columns]
            statement = sql.SQL("select {} from {}").format(
                sql.SQL(", ").join(asked), sql.Identifier(each.system, each.table)
            )
            exported = pq.read_table(folder / each.file).to_pylist()
            assert [tuple(row.values()) for row in exported] == conn.execute(statement).fetchall(), each.file


def shown(name: str, type_: str) -> sql.Composed:
    """A column whose values psycopg would make something else of than Parquet's text."""
    form = {"jsonb": "{}::text", "inet": "abbrev({})"}.get(type_, "{}")
    return sql.SQL(form).format(sql.Identifier(name))


def test_the_record_says_what_the_files_are(smoke: tuple[Database, Path, Export]) -> None:
    _, folder, done = smoke
    record = json.loads((folder / "dataset.json").read_text())
    assert (record["format_version"], record["profile"], record["seed"]) == (1, "smoke", done.seed)
    assert set(record["revisions"]) == {"pazpaz", "portal", "practice"}
    assert datetime.fromisoformat(record["exported_utc"]) > datetime.now(UTC) - timedelta(hours=1)
    for table in record["tables"]:
        metadata = pq.read_metadata(folder / table["file"])
        assert metadata.num_rows == table["rows"] == table["loaded_rows"]
        assert (folder / table["file"]).stat().st_size == table["size_bytes"]
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        "dataset.json",
        *(table["file"] for table in record["tables"]),
    }


def test_pandas_finds_the_same_counts_and_sums(smoke: tuple[Database, Path, Export]) -> None:
    database, folder, _ = smoke
    frame = pd.read_parquet(folder / "pazpaz" / "appointments.parquet")
    services = pd.read_parquet(folder / "pazpaz" / "services.parquet")
    with database.connect() as conn:
        by_status = conn.execute("select status, count(*) from pazpaz.appointments group by status").fetchall()
        hours = conn.execute(
            "select sum(extract(epoch from scheduled_end - scheduled_start))::bigint from pazpaz.appointments"
        ).fetchone()
        minutes = conn.execute("select sum(default_duration_minutes) from pazpaz.services").fetchone()
    assert frame.groupby("status").size().to_dict() == dict(by_status)
    assert (frame["scheduled_end"] - frame["scheduled_start"]).dt.total_seconds().sum() == (hours or [None])[0]
    assert (services["default_duration_minutes"].sum(),) == minutes
    assert str(frame["scheduled_start"].dt.tz) == "UTC"
    assert isinstance(frame["id"].iloc[0], UUID)
