"""The ways to bring appointments into pazpaz that `bench/load_speed.py` compares, each in a process of its own.

    python bench/load_ways.py ours 1000000 --jobs 2      (prints what it took, as JSON)

All of them fill the same table in the same state: empty, migrated to the head, indexes and keys away. The
database is the one that the parent process hands over.
"""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import psutil
import typer

from pgvitals.dataset.crew import Crew
from pgvitals.dataset.load import load_parts
from pgvitals.dataset.parts import Part
from pgvitals.dataset.progress import Step
from pgvitals.dataset.worker import Work, fill_parts
from pgvitals.encryption import Context, random_key, seal
from pgvitals.errors import LabError
from pgvitals.lab import attach
from pgvitals.profile import Profile
from pgvitals.suite import Suite, find_suite

TABLE = "pazpaz.appointments"
READY = "pgvitals-appointments.copy"  # beside the server's data, where the server itself wrote it
WORKSPACES, CLIENTS = 12, 20_000

app = typer.Typer(add_completion=False)
Rows = Annotated[int, typer.Argument(help="Appointments")]
Jobs = Annotated[int, typer.Option(help="Processes")]


class _Enough(Exception):  # noqa: N818 - it is no error
    """The rows are in; what comes after them is not measured here."""


def profile_of(suite: Suite, rows: int) -> Profile:
    """So many appointments, and little else."""
    smoke = suite.profiles.get("smoke")
    sizes = smoke.sizes["pazpaz"] | {
        "workspaces": WORKSPACES,
        "clients": CLIENTS,
        "appointments": rows,
        "sessions": WORKSPACES,
        "audit_events": WORKSPACES,
    }
    return smoke.model_copy(update={"name": f"appointments-{rows}", "sizes": {"pazpaz": sizes}})


@app.command()
def ours(rows: Rows, jobs: Jobs = 1) -> None:
    """Make them and COPY them, as `pgvitals load` does, up to where it builds indexes."""
    suite = find_suite(Path(__file__).parent)
    with ExitStack() as stack:
        crew = stack.enter_context(Crew(jobs)) if jobs > 1 else None

        def fill(work: Work, parts: Sequence[Part], done: Callable[[Part, float], None]) -> list[Part]:
            wanted = [part for part in parts if part.table == "appointments"]
            started = time.perf_counter()
            if crew:
                crew.fill(work, wanted, done)
            else:
                fill_parts(work, wanted)
            say(rows, time.perf_counter() - started)
            raise _Enough

        with suppress(_Enough):
            load_parts(suite, attach(suite), profile_of(suite, rows), systems=["pazpaz"], fresh=True, fill_with=fill)


@app.command()
def whole(rows: Rows, jobs: Jobs = 1) -> None:
    """All that `pgvitals load` does: rows, keys and indexes, VACUUM ANALYZE, checksums."""
    suite = find_suite(Path(__file__).parent)
    begun: dict[str, float] = {}
    peaks: list[float] = []

    def heed(step: Step) -> None:
        if step.phase not in begun:
            begun[step.phase] = time.perf_counter()
            peaks[:] = peaks_mb()  # while the children are there

    started = time.perf_counter()
    load_parts(suite, attach(suite), profile_of(suite, rows), systems=["pazpaz"], fresh=True, jobs=jobs, progress=heed)
    ended = time.perf_counter()
    ends = [*list(begun.values())[1:], ended]
    phases = {name: end - begin for (name, begin), end in zip(begun.items(), ends, strict=True)}
    say(rows, ended - started, peaks_mb=peaks, phases=phases)


@app.command()
def ready(rows: Rows) -> None:
    """The limit: the server COPYs a file of exactly these rows, made by `file`."""
    with attach(find_suite(Path(__file__).parent)).connect() as conn:
        found = conn.execute("select count(*) from pg_index where indrelid = %s::regclass", (TABLE,)).fetchone()
        if found is None or found[0]:
            raise LabError(f"{TABLE} has its indexes: nothing was prepared for COPY")
        conn.execute(f"truncate {TABLE}")
        started = time.perf_counter()
        copied = conn.execute(f"copy {TABLE} from '{ready_path(conn)}' (format binary)").rowcount
        say(copied, time.perf_counter() - started)


@app.command()
def executemany(rows: Rows) -> None:
    """Faker for every row, sent by executemany."""
    make = by_faker()
    with attach(find_suite(Path(__file__).parent)).connect(autocommit=False) as conn, conn.cursor() as cursor:
        cursor.execute(f"truncate {TABLE}")
        statement = f"insert into {TABLE} ({', '.join(COLUMNS)}) values ({', '.join(['%s'] * len(COLUMNS))})"
        started = time.perf_counter()
        cursor.executemany(statement, (make() for _ in range(rows)))
        conn.commit()
        say(rows, time.perf_counter() - started)


@app.command()
def copy(rows: Rows) -> None:
    """Faker for every row, sent by COPY in text."""
    make = by_faker()
    with attach(find_suite(Path(__file__).parent)).connect(autocommit=False) as conn, conn.cursor() as cursor:
        cursor.execute(f"truncate {TABLE}")
        started = time.perf_counter()
        with cursor.copy(f"copy {TABLE} ({', '.join(COLUMNS)}) from stdin") as sink:
            for _ in range(rows):
                sink.write_row(make())
        conn.commit()
        say(rows, time.perf_counter() - started)


@app.command()
def to_sql(rows: Rows) -> None:
    """Faker for every row of a pandas frame, sent by to_sql."""
    import pandas as pd
    import sqlalchemy as sa

    make, database = by_faker(), attach(find_suite(Path(__file__).parent))
    with database.connect() as conn:
        conn.execute(f"truncate {TABLE}")
    types: dict[str, Any] = {name: sa.Uuid() for name in COLUMNS if name == "id" or name.endswith("_id")}
    types["notes"] = sa.LargeBinary()
    schema, table = TABLE.split(".")
    started = time.perf_counter()
    frame = pd.DataFrame((make() for _ in range(rows)), columns=COLUMNS)
    frame.to_sql(
        table, database.engine(), schema=schema, if_exists="append", index=False, dtype=types, chunksize=10_000
    )
    say(rows, time.perf_counter() - started)


COLUMNS = (
    "id",
    "workspace_id",
    "client_id",
    "practitioner_id",
    "service_id",
    "location_id",
    "scheduled_start",
    "scheduled_end",
    "location_type",
    "location_details",
    "status",
    "notes",
    "created_at",
    "updated_at",
)
KINDS = OrderedDict([("clinic", 0.72), ("home", 0.08), ("online", 0.20)])
PAST = OrderedDict([("completed", 0.84), ("cancelled", 0.10), ("no_show", 0.06)])


def by_faker() -> Callable[[], tuple[Any, ...]]:
    """What makes a row like ours, as a test suite would: Faker as it comes, a call for each readable value."""
    from faker import Faker

    fake, now, key = Faker(), datetime.now(UTC), random_key()
    random = fake.random
    workspaces, clients, users, services, locations = (
        [uuid4() for _ in range(count)] for count in (WORKSPACES, CLIENTS, 300, 60, 60)
    )

    def make() -> tuple[Any, ...]:
        own, workspace = uuid4(), random.choice(workspaces)
        start = fake.date_time_between("-3y", "+8w", tzinfo=UTC)
        kind = fake.random_element(KINDS)
        booked = start - timedelta(days=random.uniform(0, 45))
        return (
            own,
            workspace,
            random.choice(clients),
            random.choice(users),
            random.choice(services) if random.random() < 0.9 else None,
            random.choice(locations) if random.random() < 0.85 else None,
            start,
            start + timedelta(minutes=random.choice((30, 45, 60, 90))),
            kind,
            fake.secondary_address() if kind == "clinic" and random.random() < 0.15 else None,
            fake.random_element(PAST) if start < now else "scheduled",
            sealed(key, fake.sentence(), workspace, own) if random.random() < 0.08 else None,
            booked,
            booked,
        )

    return make


def sealed(key: bytes, text: str, workspace: UUID, row: UUID) -> bytes:
    """The notes are ciphertext here, whoever writes them."""
    return seal(key, 1, text, Context(str(workspace), "appointments", "notes", str(row)))


def ready_path(conn: Any) -> str:
    """Where the server keeps the ready file."""
    return f"{conn.execute('show data_directory').fetchone()[0]}/{READY}"


def say(rows: int, seconds: float, **more: Any) -> None:
    """One line for the parent; memory in megabytes (10**6), of this process first and then of its children."""
    print(json.dumps({"rows": rows, "seconds": seconds, "peaks_mb": peaks_mb()} | more), flush=True)  # noqa: T201


def peaks_mb() -> list[float]:
    """The most that this process and each of its children ever held in memory."""
    return [peak for process in _family() if (peak := _peak_mb(process.pid)) is not None]


def _family() -> Iterator[psutil.Process]:
    yield psutil.Process()
    yield from psutil.Process().children(recursive=True)


def _peak_mb(pid: int) -> float | None:
    # Not ru_maxrss: that begins with what the parent held when it started the process.
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    kilobytes = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")]
    return kilobytes[0] * 1024 / 1e6 if kilobytes else None


if __name__ == "__main__":
    app()
