"""Run directories: written under a temporary name, renamed when whole, read back as records.

Layout as in the README: ``run.json``, ``samples.parquet``, ``latency.json``, ``plans/*.json``,
``index_usage.parquet``, ``audit.json``, ``audit_history.parquet``, ``impact.json``, ``rls.json``, ``cold.json``,
``cold.parquet``, ``load.json``, ``facts.json``, ``tenants.parquet``, ``columns.parquet``, ``pictures/*.parquet``,
reports and notebooks.
Every file can be read with pandas alone.
"""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import pandas as pd
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from pgvitals.errors import ResultsError
from pgvitals.reading import first_problem
from pgvitals.results.audit import Audit
from pgvitals.results.cold import Cold
from pgvitals.results.records import FORMAT_VERSION, Fact, Gate, Impact, IndexUse, Load, RunInfo
from pgvitals.results.rls import RlsPrice

T = TypeVar("T")

SAMPLE_COLUMNS = {
    "system": "string",
    "query": "string",
    "role": "string",
    "arm": "string",
    "batch": "int32",
    "t_ns": "int64",
    "latency_ns": "int64",
    "request_ns": "int64",
    "rows": "int32",
    "tenant_rank": "Int32",
    "valid": "bool",
    "attempt": "int16",
}

_TEMPORARY = re.compile(r"^\.(?P<name>.+)\.pgvitals-partial-(?P<pid>\d+)$")


class RunWriter:
    """Collects one run. Use as a context manager: on an exception nothing of the run is left behind.

    Args:
        target: the run directory to make; it must not exist, or be empty.
        latest: a symbolic link to point at the run once it is whole.
    """

    def __init__(self, target: Path, latest: Path | None = None) -> None:
        self.target = Path(os.path.realpath(target))
        self.latest = latest
        self.path = self.target.with_name(f".{self.target.name}.pgvitals-partial-{os.getpid()}")
        self.committed = False
        try:
            if self.target.exists() and (not self.target.is_dir() or any(self.target.iterdir())):
                raise ResultsError(f"{target}: exists and is not empty; name a new directory with --out")
            if os.path.ismount(self.target):
                raise ResultsError(f"{target}: a mount point cannot be made by renaming; name a directory in it")
            self.target.parent.mkdir(parents=True, exist_ok=True)
            _sweep(self.target.parent)
            self.path.mkdir()
        except OSError as error:
            raise ResultsError(f"{target}: cannot be written ({error.strerror}); name another --out") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.committed:
            shutil.rmtree(self.path, ignore_errors=True)

    def write(self, name: str, record: object) -> None:
        """Write one record (or a tuple of them) as JSON."""
        self.write_bytes(name, to_json(record, indent=1))

    def write_json(self, name: str, content: Any) -> None:
        """Write plain JSON (an EXPLAIN plan)."""
        self.write_bytes(name, json.dumps(content, indent=1).encode())

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write one file below the run directory."""
        path = self.path / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise self._full(name, error) from None

    def write_table(self, name: str, frame: pd.DataFrame) -> None:
        """Write a table as Parquet."""
        try:
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            frame.to_parquet(self.path / name, index=False)
        except OSError as error:
            raise self._full(name, error) from None

    def _full(self, name: str, error: OSError) -> ResultsError:
        why = error.strerror or str(error)
        return ResultsError(f"{self.target / name}: cannot be written ({why}); free space or name another --out")

    def commit(self) -> Path:
        """Rename to the final name; from now on the run is whole."""
        try:
            self.path.rename(self.target)  # an empty directory of that name gives way
        except OSError as error:
            raise self._full("", error) from None
        self.committed = True
        if self.latest is not None:
            self._point(self.latest)
        return self.target

    def _point(self, latest: Path) -> None:
        link = latest.with_name(f".{latest.name}.pgvitals-partial-{os.getpid()}")
        try:
            _sweep(latest.parent)
            link.unlink(missing_ok=True)
            link.symlink_to(os.path.relpath(self.target, latest.parent.resolve()))
            link.replace(latest)
        except OSError as error:
            link.unlink(missing_ok=True)
            raise ResultsError(
                f"{latest}: cannot point at {self.target} ({error.strerror}); the run itself is whole"
            ) from None


def _sweep(parent: Path) -> None:
    """Remove what killed runs left half-written here (their process is gone)."""
    for path in parent.glob(".*.pgvitals-partial-*"):
        found = _TEMPORARY.match(path.name)
        if found and not Path(f"/proc/{found['pid']}").exists():
            if path.is_symlink():
                path.unlink(missing_ok=True)
            else:
                shutil.rmtree(path, ignore_errors=True)


def new_run_path(reports: Path, name: str, now: datetime | None = None) -> Path:
    """``<reports>/runs/<UTC>-<name>``; a counter is added when two runs start in the same second."""
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    path = reports / "runs" / f"{stamp}-{name}"
    count = 2
    while path.exists() or next(path.parent.glob(f".{glob.escape(path.name)}.pgvitals-partial-*"), None):
        path = reports / "runs" / f"{stamp}-{name}-{count}"
        count += 1
    return path


@dataclass(frozen=True)
class Run:
    """A finished run, read from its directory. Parts that were not measured are None."""

    path: Path
    info: RunInfo

    @cached_property
    def samples(self) -> pd.DataFrame | None:
        """One row a sample; columns as in ``SAMPLE_COLUMNS``, times in nanoseconds."""
        return self._table("samples.parquet")

    @cached_property
    def index_usage(self) -> pd.DataFrame | None:
        """One row an index; columns as in :class:`~pgvitals.results.records.IndexUse`."""
        return self._table("index_usage.parquet")

    @cached_property
    def tenants(self) -> pd.DataFrame | None:
        """Rows of each tenant: columns system, table, tenant_rank, rows."""
        return self._table("tenants.parquet")

    @cached_property
    def columns(self) -> pd.DataFrame | None:
        """The planner's view of each column, as :func:`pgvitals.dataset.describe.columns` reads it."""
        return self._table("columns.parquet")

    @cached_property
    def facts(self) -> tuple[Fact, ...]:
        """What the systems claim about their rows, and what the rows say (``facts.json``)."""
        return self._record("facts.json", tuple[Fact, ...]) or ()

    def picture(self, name: str) -> pd.DataFrame:
        """A table that a chart shows, as ``<system>/facts/pictures/<name>.sql`` makes it for each system that has it.

        Empty where no system of the run has it.
        """
        found = self._table(f"pictures/{name}.parquet")
        return pd.DataFrame() if found is None else found

    @cached_property
    def gate(self) -> Gate | None:
        """The verdicts of ``latency.json``."""
        return self._record("latency.json", Gate)

    @cached_property
    def audit(self) -> Audit | None:
        """The findings of ``audit.json``."""
        return self._record("audit.json", Audit)

    @cached_property
    def audit_history(self) -> pd.DataFrame | None:
        """What each rule said at each revision; columns as in :class:`~pgvitals.audit_history.Told`."""
        return self._table("audit_history.parquet")

    @cached_property
    def impacts(self) -> tuple[Impact, ...]:
        """The comparisons of ``impact.json``."""
        return self._record("impact.json", tuple[Impact, ...]) or ()

    @cached_property
    def rls(self) -> tuple[RlsPrice, ...]:
        """The price of row-level security, of ``rls.json``."""
        return self._record("rls.json", tuple[RlsPrice, ...]) or ()

    @cached_property
    def cold(self) -> Cold | None:
        """The lookups without their data in memory, of ``cold.json``."""
        return self._record("cold.json", Cold)

    @cached_property
    def load(self) -> Load | None:
        """The load test of ``load.json``."""
        return self._record("load.json", Load)

    @cached_property
    def plans(self) -> dict[str, Any]:
        """``system/query`` -> the captured plans."""
        found = sorted((self.path / "plans").glob("*.json"))
        return {path.stem.replace("__", "/", 1): _plain(path) for path in found}

    def _table(self, name: str) -> pd.DataFrame | None:
        path = self.path / name
        if not path.exists():
            return None
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise ResultsError(f"{path}: cannot be read as Parquet ({error})") from None

    def _record(self, name: str, kind: type[T]) -> T | None:
        path = self.path / name
        return _read(path, kind) if path.exists() else None


def latest_measured(reports: Path) -> Path:
    """The newest run that measured lookups (a load test or an audit alone has no latencies).

    Raises:
        ResultsError: there is none.
    """
    measured = sorted((reports / "runs").glob("[!.]*/latency.json"), key=lambda path: path.stat().st_mtime)
    if not measured:
        raise ResultsError(f"{reports / 'runs'}: no run has measured lookups yet; `pgvitals bench` makes one")
    return measured[-1].parent


def load_run(path: Path | str, reports: Path | None = None) -> Run:
    """Read a run directory; ``latest`` or a bare run name is looked up below ``reports``.

    Raises:
        ResultsError: there is no such run, it is damaged, or a newer pgvitals wrote it.
    """
    place = Path(path)
    if reports is not None and not place.is_dir():
        name = str(path)
        place = reports / "latest" if name == "latest" else reports / "runs" / name
    if not (place / "run.json").is_file():
        raise ResultsError(f"{place}: not a run directory (it has no run.json); `pgvitals run` makes one")
    place = place.resolve()
    info_path = place / "run.json"
    info = _plain(info_path)
    version = info.get("format_version") if isinstance(info, dict) else None
    if version != FORMAT_VERSION:
        raise ResultsError(
            f"{info_path}: format version {version!r}, this pgvitals reads {FORMAT_VERSION}; "
            "read it with the version of pgvitals that wrote it"
        )
    return Run(path=place, info=_read(info_path, RunInfo))


def _plain(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ResultsError(f"{path}: damaged, not JSON: {error}") from None


def _read(path: Path, kind: type[T]) -> T:
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read ({error.strerror})") from None
    except ValidationError as error:
        raise ResultsError(f"{path}: damaged: {first_problem(error)}") from None


def index_table(uses: tuple[IndexUse, ...]) -> pd.DataFrame:
    """Index usage as the table that is stored."""
    return pd.DataFrame([asdict(use) for use in uses], columns=list(IndexUse.__dataclass_fields__))
