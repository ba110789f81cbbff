"""What is encoded is what the server reads back, type by type, and what it counts is what was sent."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from pgvitals.dataset.catalog import schema_columns
from pgvitals.dataset.columns import (
    as_column,
    blob,
    inet,
    json,
    json_values,
    lists,
    money,
    nullable,
    sealed,
)
from pgvitals.dataset.copy import copy_rows
from pgvitals.dataset.encode import encode
from pgvitals.dataset.recipe import Unit
from pgvitals.encryption import Context, unseal
from pgvitals.errors import DatasetError

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))
DATES = st.dates(date(1800, 1, 1), date(2300, 1, 1))
ITEMS = st.lists(st.lists(TEXTS, max_size=3), min_size=1, max_size=3)


KEY = bytes(32)


def mapped(ip):
    return ip.packed if ip.version == 6 else b"\0" * 10 + b"\xff" * 2 + ip.packed


def numbers(bits):
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


ROW = st.fixed_dictionaries(
    {
        "u": st.uuids(),
        "i2": numbers(16),
        "i4": numbers(32),
        "i8": numbers(64),
        "n": st.integers(-(10**10), 10**10),
        "b": st.booleans(),
        "t": TEXTS.filter(str.strip),
        "j": DOCUMENTS,
        "ts": MOMENTS,
        "d": DATES,
        "raw": st.binary(max_size=40),
        "ip": st.ip_addresses(),
        "given": st.booleans(),
    }
)


@pytest.fixture
def table(database):
    with database.connect() as conn:
        conn.execute("create type mood as enum ('sad', 'fine')")
        conn.execute("create domain short as varchar(60)")
        conn.execute(
            "create table everything (u uuid, i2 smallint, i4 int, i8 bigint, digits varchar(30), n numeric(14, 2),"
            " b bool, t text, v short, maybe text, j jsonb, ts timestamptz, local timestamp, d date, l text[], e mood,"
            " raw bytea, maybe_raw bytea, ip inet, secret bytea, plain char(40))"
        )
        yield conn


def send(conn, columns):
    types = {column.name: column.type for column in schema_columns(conn, "public")["everything"]}
    fields = [encode(as_column(values), types[name]) for name, values in columns.items()]
    return copy_rows(conn, sql.Identifier("everything"), list(columns), [fields], freeze=False)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, min_size=1, max_size=8), ITEMS, st.randoms(use_true_random=False))
def test_the_server_reads_back_what_was_encoded(table, rows, items, random):
    chosen = [random.randrange(len(items)) for _ in rows]
    column = {key: [row[key] for row in rows] for key in rows[0]}
    texts = np.array([text.encode() for text in column["t"]])
    given_ = np.array(column["given"])
    moments = np.array(column["ts"], dtype="datetime64[us]")
    unit = Unit(seed=1, system="s", table="everything", tenant=0, chunk=0, start=0, stop=len(rows))
    seal = unit.seal("secret", KEY, "tenant")
    sent = send(
        table,
        {
            "u": np.array([list(u.bytes) for u in column["u"]], dtype=np.uint8),
            "i2": np.array(column["i2"]),
            "i4": np.array(column["i4"]),
            "i8": np.array(column["i8"]),
            "digits": np.array(column["i8"]),
            "n": money(np.array(column["n"])),
            "b": np.array(column["b"]),
            "t": texts,
            "v": texts,
            "maybe": nullable(texts, given_),
            "j": json(json_values(column["j"])),
            "ts": moments,
            "local": moments,
            "d": np.array(column["d"], dtype="datetime64[D]"),
            "l": lists(items, np.array(chosen)),
            "e": np.where(given_, b"fine", b"sad"),
            "raw": blob(column["raw"]),
            "maybe_raw": nullable(blob(column["raw"]), given_),
            "ip": inet(np.array([list(mapped(ip)) for ip in column["ip"]], dtype=np.uint8)),
            "secret": sealed(nullable(texts, given_), seal),
            "plain": sealed(nullable(texts, given_), seal),
        },
    )
    assert sent == len(rows)
    back = table.execute("select * from everything").fetchall()
    table.execute("truncate everything")
    for row, got, k, own in zip(rows, back, chosen, unit.ids(), strict=True):
        *got, secret, plain = got
        assert tuple(got) == (
            row["u"], row["i2"], row["i4"], row["i8"], str(row["i8"]), Decimal(row["n"]) / 100,
            row["b"], row["t"], row["t"], row["t"] if row["given"] else None, row["j"],
            row["ts"].replace(tzinfo=UTC), row["ts"], row["d"], items[k], "fine" if row["given"] else "sad",
            row["raw"], row["raw"] if row["given"] else None, getattr(row["ip"], "ipv4_mapped", None) or row["ip"],
        )  # fmt: skip

        assert (secret is None, plain is None) == (not row["given"],) * 2
        if row["given"]:
            context = Context("tenant", "everything", "secret", str(UUID(bytes=own.tobytes())))
            assert unseal({1: KEY}.__getitem__, secret, context) == row["t"]
            assert plain == row["t"].ljust(40)


def test_times_are_exact_to_the_microsecond_on_both_sides_of_2000(table):
    moments = [
        datetime(1999, 12, 31, 23, 59, 59, 999_999),
        datetime(2000, 1, 1),
        datetime(2000, 1, 1) + timedelta.resolution,
    ]
    send(table, {"ts": np.array(moments, dtype="datetime64[us]")})
    assert [row[0].replace(tzinfo=None) for row in table.execute("select ts from everything")] == moments


def test_rows_that_the_server_drops_are_noticed(table):
    table.execute("create function nothing() returns trigger language plpgsql as 'begin return null; end'")
    table.execute("create trigger swallow before insert on everything for each row execute function nothing()")
    with pytest.raises(DatasetError, match="sent 3 rows and the server counted 0"):
        send(table, {"i4": np.arange(3)})


def test_slices_of_different_width_follow_one_another(table):
    n = 10_000
    texts = np.array([b"x" * (k // 1_000) + b"." for k in range(n)])
    send(table, {"i4": np.arange(n), "t": texts})
    found = table.execute(
        "select count(*), sum(i4), sum(length(t)), count(distinct length(t)) from everything"
    ).fetchone()
    assert found == (n, n * (n - 1) // 2, sum(k // 1_000 + 1 for k in range(n)), 10)


def test_uuids_arrive_as_they_are(table):
    send(table, {"u": np.arange(32, dtype=np.uint8).reshape(2, 16)})
    assert [row[0] for row in table.execute("select u from everything order by u")] == [
        UUID(bytes=bytes(range(16))),
        UUID(bytes=bytes(range(16, 32))),
    ]
