"""The state directory of the experiments: what was found so far, whole sittings only, so that they can go on.

``truth.json`` holds the conditions and the calibration, ``sittings.jsonl`` a line for each finished sitting, and
``samples/`` its latencies. A line is written last and at once; a torn one, and samples without a line, do not count.

``FORMAT`` counts the changes of these files.
"""

from __future__ import annotations

import fcntl
import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pgvitals.errors import ResultsError
from pgvitals.results.records import Hardware, Noise, Server
from pgvitals.stats.samples import FloatArray
from pgvitals.truth.effects import Cost

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """``truth.json``: what every sitting of this directory has in common."""

    format: int = FORMAT
    seed: int
    plans: dict[str, dict[str, Any]]  # how the experiments measure: a directory holds one kind of each
    speed: float  # steps of work in a microsecond
    costs: dict[str, Cost]
    server: Server
    hardware: Hardware
    versions: dict[str, str]
    started_utc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One estimator of a comparison."""

    verdict: str
    ratio: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One comparison as the product ends it."""

    lookup: str
    effect: str  # "" where both arms are the same
    verdict: str
    typical: Side
    p95: Side
    look: int
    rounds: int  # that count
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """One line of ``sittings.jsonl``: some trials that were measured side by side, and how quiet it was."""

    number: int
    kind: str
    started_utc: str
    seconds: float
    noise: Noise
    load: float  # average over the last minute, at the end
    measured: int  # rounds or batches
    dropped: int  # of these, because the machine was not quiet
    trials: tuple[Trial, ...] = ()
    ratios: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)  # effect -> lookup -> p50, p95


class StateDirectory:
    """The files of one set of experiments.

    Raises:
        ResultsError: (of every method) a file is of another format or cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Make the directory; nobody else adds to it inside the block.

        Raises:
            ResultsError: somebody is adding to it.
        """
        (self.folder / "samples").mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ResultsError(
                    f"{self.folder}: experiments are running on it; wait for them, or choose another --state"
                ) from None
            yield

    def setup(self) -> Setup | None:
        """What was written when the experiments began; None before that."""
        path = self.folder / "truth.json"
        try:
            raw = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        except ValueError:
            raise ResultsError(f"{path}: is not JSON; choose another --state") from None
        if raw.get("format") != FORMAT:
            raise ResultsError(f"{path}: has format {raw.get('format')!r}, not {FORMAT}; choose another --state")
        raw["costs"] = {name: Cost(**cost) for name, cost in raw["costs"].items()}
        raw["server"], raw["hardware"] = Server(**raw["server"]), Hardware(**raw["hardware"])
        return Setup(**raw)

    def begin(self, setup: Setup) -> None:
        """Write ``truth.json``, whole or not at all."""
        partial = self.folder / "truth.partial"
        partial.write_text(json.dumps(asdict(setup), indent=1) + "\n")
        partial.replace(self.folder / "truth.json")

    def sittings(self) -> list[Sitting]:
        """Those that were finished, in order; a last line that was torn is left out."""
        path = self.folder / "sittings.jsonl"
        if not path.is_file():
            return []
        lines = path.read_bytes().split(b"\n")
        found = []
        for number, line in enumerate(lines[:-1], start=1):
            try:
                found.append(_sitting(json.loads(line)))
            except (ValueError, TypeError, KeyError):
                raise ResultsError(f"{path}: line {number} is no sitting; remove it, and go on") from None
        return found

    def add(self, sitting: Sitting, samples: Mapping[str, np.ndarray]) -> None:
        """Append a finished sitting: its samples first, then its line."""
        path = self.samples_path(sitting.number)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez_compressed(file, **samples)  # type: ignore[arg-type]
        partial.replace(path)
        self._cut_torn_line()
        with (self.folder / "sittings.jsonl").open("ab") as file:
            file.write(json.dumps(asdict(sitting)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def samples(self, number: int) -> dict[str, FloatArray]:
        """The arrays of one sitting.

        Raises:
            ResultsError: they are gone or broken.
        """
        path = self.samples_path(number)
        try:
            with np.load(path) as arrays:
                return {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError, zipfile.BadZipFile):
            raise ResultsError(f"{path}: cannot be read; remove line {number} of sittings.jsonl") from None

    def samples_path(self, number: int) -> Path:
        """Where the latencies of a sitting are."""
        return self.folder / "samples" / f"{number:05d}.npz"

    def _cut_torn_line(self) -> None:
        path = self.folder / "sittings.jsonl"
        if path.is_file() and (content := path.read_bytes()) and not content.endswith(b"\n"):
            os.truncate(path, content.rfind(b"\n") + 1)


def _sitting(raw: dict[str, Any]) -> Sitting:
    trials = tuple(
        Trial(**{**trial, "typical": Side(**trial["typical"]), "p95": Side(**trial["p95"])}) for trial in raw["trials"]
    )
    ratios = {
        effect: {lookup: (float(p50), float(p95)) for lookup, (p50, p95) in of.items()}
        for effect, of in raw["ratios"].items()
    }
    return Sitting(**{**raw, "noise": Noise(**raw["noise"]), "trials": trials, "ratios": ratios})
