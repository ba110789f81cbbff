"""How fast `pgvitals load` is: against the server's own limit, and against the usual ways to make test data.

    python bench/load_speed.py                            (1 and 10 million appointments, half an hour)
    python bench/load_speed.py --rows 100000 --repeats 6  (two minutes)
    python bench/load_speed.py docs/measurements          (also writes load-speed.md, .svg and .json there)

The limit is COPY FROM a ready file of exactly the same rows, which the server reads itself. It needs about
400 bytes of disk a row, beside the database, and removes what it made.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from load_findings import LIMIT, RIVALS, WAYS, Findings, Run, page, picture
from load_ways import TABLE, ready_path

from pgvitals.child import dies_with_parent
from pgvitals.errors import DatasetError
from pgvitals.lab import Database, start_server
from pgvitals.lab.fingerprint import git_revision, hardware
from pgvitals.lab.fingerprint import server as server_record
from pgvitals.lab.migrate import upgrade
from pgvitals.measure.noise import NoiseProbe, summary
from pgvitals.report.charts import svg
from pgvitals.stats import BatchNoise
from pgvitals.suite import find_suite
from pgvitals.terminal import Terminal

OURS = ("ours-1", "ours-2")
LIBRARIES = ("numpy", "psycopg", "cryptography", "faker", "pandas", "sqlalchemy")


class Bench:
    """Runs one way after the other in processes of their own, and keeps what each took."""

    def __init__(self, database: Database, terminal: Terminal) -> None:
        self.runs: list[Run] = []
        self.noise: list[BatchNoise] = []
        self.busy: list[float] = []
        self._database, self._terminal = database, terminal

    def run(self, way: str, rows: int, *, round_: int | None = None) -> None:
        """One way, once, after a checkpoint."""
        name, _, jobs = way.partition("-") if way.split("-")[0] in ("ours", "whole") else (way, "", "")
        command = [sys.executable, str(Path(__file__).with_name("load_ways.py")), name, str(rows)]
        with self._database.connect() as conn:
            conn.execute("checkpoint")
        self.busy.append(psutil.cpu_percent(interval=0.3) / 100)
        probe = NoiseProbe()
        took = _json_of(command + (["--jobs", jobs] if jobs else []), self._database)
        self.noise.append(probe.read())
        if took["rows"] != rows:
            raise DatasetError(f"{way}: {took['rows']:,} rows instead of {rows:,}; the ready file is another size's")
        self.runs.append(Run(way=way, round=round_, **took))
        self._terminal.say(
            f"{'' if round_ is None else f'round {round_}: '}{WAYS.get(way, way)}, {rows:,} rows:"
            f" {took['seconds']:.2f} s, {rows / took['seconds']:,.0f} rows/s, {sum(took['peaks_mb']):.0f} MB"
        )

    @contextmanager
    def ready_file(self, rows: int) -> Iterator[None]:
        """The file of the limit, from rows of ours; the first run is a warm-up that counts for nothing."""
        self.run("ours-1", rows)
        self.runs.pop()
        with self._database.connect() as conn:
            path = ready_path(conn)
            try:
                conn.execute(f"copy {TABLE} to '{path}' (format binary)")
                yield
            finally:
                # The server wrote it as its own user, maybe in a container: so the server removes it.
                conn.execute(f"copy (select) to program 'rm -f ''{path}'''")


def _json_of(command: list[str], database: Database) -> dict[str, Any]:
    child = subprocess.Popen(
        command,
        env=os.environ | database.environment(),
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=dies_with_parent,
    )
    try:
        said, _ = child.communicate()
    except BaseException:
        child.kill()
        child.wait()
        raise
    if child.returncode:
        raise DatasetError(f"{' '.join(command[2:])}: ended with status {child.returncode}; its message is above")
    took: dict[str, Any] = json.loads(said.splitlines()[-1])
    return took


def measure(bench: Bench, sizes: list[int], repeats: int, rival_rows: int, rivals_once: int) -> None:
    """All ways at all sizes; the others' ways in the rounds of the smallest size."""
    for size in sorted(sizes):
        ways = [(way, size) for way in (LIMIT, *OURS)]
        if size == min(sizes):
            ways += [(way, rival_rows) for way in RIVALS]
        with bench.ready_file(size):
            for number in range(repeats):
                shift = number % len(ways)
                for way, rows in ways[shift:] + ways[:shift]:
                    bench.run(way, rows, round_=number + 1)
            if rivals_once and size == min(sizes):
                for way in RIVALS:
                    bench.run(way, rivals_once)
        for jobs in (1, 2):
            bench.run(f"whole-{jobs}", size)


def main(
    out: Annotated[Path | None, typer.Argument(help="Folder for the page, the picture and the figures")] = None,
    rows: Annotated[list[int] | None, typer.Option(min=10_000, help="Appointments; give it several times")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds; an interval takes six")] = 8,
    rival_rows: Annotated[int, typer.Option(min=1_000, help="Rows for the slow ways in each round")] = 20_000,
    rivals_once: Annotated[int, typer.Option(help="The slow ways once more, with so many rows; 0 for not")] = 0,
) -> None:
    """Measure how fast appointments are loaded."""
    suite, terminal = find_suite(Path(__file__).parent), Terminal()
    with start_server("auto", suite=suite) as server, server.scratch("speed") as database:
        with terminal.step("migrate pazpaz"):
            upgrade(suite, database, "pazpaz@head")
        bench = Bench(database, terminal)
        measure(bench, rows or [1_000_000, 10_000_000], repeats, rival_rows, rivals_once)
        found = Findings(
            runs=bench.runs,
            hardware=hardware(),
            server=server_record(database, server.kind, server.why).version,
            versions={"Python": sys.version.split()[0]} | {name: version(name) for name in LIBRARIES},
            noise=summary(bench.noise),
            busy=bench.busy,
            revision=git_revision(suite.root),
        )
    typer.echo(page(found))
    if out:
        out.mkdir(parents=True, exist_ok=True)
        (out / "load-speed.md").write_text(page(found) + "\n![rows a second](load-speed.svg)\n")
        (out / "load-speed.svg").write_text(svg(picture(found)))
        (out / "load-speed.json").write_text(json.dumps(asdict(found), indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
