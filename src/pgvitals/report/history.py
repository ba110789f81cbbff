"""Every lookup over the runs that a folder keeps: its p95 with the interval of each run, and where it changed.

Only runs of equal conditions are put in one series (:mod:`pgvitals.report.run_conditions`): a new server version is
no change of a lookup. A git revision is no condition but what a history is about.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pgvitals.errors import ResultsError
from pgvitals.report.run_conditions import conditions_key, dataset_key
from pgvitals.results.outcome import Outcome
from pgvitals.results.rundir import Run, load_run
from pgvitals.stats.change_points import change_points, least_values

_NAMED_MOST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """One run of the history; runs with the same ``conditions`` and ``dataset`` can be put beside each other."""

    name: str
    path: Path
    started_utc: str
    git_revision: str | None
    profile: str
    conditions: str  # A, B, C … in the order in which they first appear
    dataset: str  # digest of all rows
    canary_best_ms: float | None
    lookups: int
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One lookup in one run; the interval is that of the gate."""

    run: PastRun
    dataset: str  # digest of the rows of the lookup's system
    p50_ms: float
    p95_ms: float
    p95_low_ms: float | None
    p95_high_ms: float | None
    confidence: float
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of level of a lookup's p95, from the run at ``point`` on; ``ratio`` is after / before."""

    system: str
    query: str
    point: int  # position in the series
    run: PastRun
    last_before: PastRun
    ratio: float
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One lookup over the runs, oldest first."""

    system: str
    query: str
    title: str
    points: tuple[Point, ...]
    changes: tuple[Change, ...]
    most_alike: int  # runs of equal conditions, of the conditions that have most

    @property
    def enough(self) -> bool:
        """Whether there are runs enough of equal conditions for a change to show at all."""
        return self.most_alike >= least_values()


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The runs, oldest first, and every lookup that they measured; ``skipped`` could not be read, with why."""

    runs: tuple[PastRun, ...]
    series: tuple[Series, ...]
    skipped: tuple[str, ...]

    def of(self, system: str, query: str) -> Series | None:
        """The series of one lookup."""
        return next((each for each in self.series if (each.system, each.query) == (system, query)), None)

    def only(self, name: str) -> History:
        """The same with one lookup, by ``system/query``, and the runs that measured it.

        Raises:
            ResultsError: no run measured it.
        """
        found = self.of(*(name.split("/", 1) if "/" in name else ("", name)))
        if found is None:
            known = ", ".join(f"{each.system}/{each.query}" for each in self.series[:_NAMED_MOST])
            raise ResultsError(f"no run measured a lookup {name!r}; a name is system/query, such as {known}")
        return replace(self, runs=tuple(point.run for point in found.points), series=(found,))

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes of every lookup, the newest first."""
        found = [change for series in self.series for change in series.changes]
        return tuple(sorted(found, key=lambda change: change.run.started_utc, reverse=True))


def read_history(folders: Iterable[Path], *, also: Sequence[Run] = (), last: int | None = None) -> History:
    """The history of all runs in ``folders`` that measured lookups, and of the runs ``also``.

    Args:
        folders: each holds run directories, as ``reports/runs`` does.
        last: only the newest so many.
    """
    runs, skipped = _load(folders, also)
    runs.sort(key=lambda run: (run.info.started_utc, run.info.name))
    runs = runs if last is None else runs[-last:]
    letters: dict[str, str] = {}
    for run in runs:
        letters.setdefault(conditions_key(run.info), _letter(len(letters)))
    past = [(run, _past(run, letters[conditions_key(run.info)])) for run in runs]
    points: dict[tuple[str, str], list[Point]] = {}
    titles: dict[tuple[str, str], str] = {}
    for run, told in past:
        keys: dict[str, str] = {}
        for q in run.gate.queries if run.gate else ():
            key = keys.setdefault(q.system, dataset_key(run.info, q.system))
            titles[q.system, q.query] = q.title
            points.setdefault((q.system, q.query), []).append(
                Point(
                    run=told, dataset=key, p50_ms=q.p50_ms, p95_ms=q.p95_ms, p95_low_ms=q.p95_low_ms,
                    p95_high_ms=q.p95_high_ms, confidence=q.confidence, outcome=q.outcome,
                )
            )  # fmt: skip
    series = (_series(*name, titles[name], points[name]) for name in sorted(points))
    return History(runs=tuple(told for _, told in past), series=tuple(series), skipped=tuple(skipped))


def history_beside(run: Run) -> History:
    """The history of the folder in which ``run`` lies, the run itself included."""
    return read_history([run.path.parent], also=[run])


def _load(folders: Iterable[Path], also: Sequence[Run]) -> tuple[list[Run], list[str]]:
    found = {run.path.resolve(): run for run in also if run.gate is not None}
    skipped = []
    for path in sorted({path.parent.resolve() for folder in folders for path in folder.glob("[!.]*/latency.json")}):
        if path not in found:
            try:
                run = load_run(path)
                if run.gate is not None and run.gate.queries:
                    found[path] = run
            except ResultsError as error:
                skipped.append(str(error))
    return list(found.values()), skipped


def _past(run: Run, letter: str) -> PastRun:
    gate, dataset, noise = run.gate, run.info.dataset, run.info.noise
    assert gate is not None, "only runs with a gate were kept"
    return PastRun(
        name=run.info.name,
        path=run.path,
        started_utc=run.info.started_utc,
        git_revision=run.info.git_revision,
        profile=dataset.profile if dataset else "",
        conditions=letter,
        dataset=dataset_key(run.info),
        canary_best_ms=noise.canary_best_ms if noise else None,
        lookups=len(gate.queries),
        outcome=gate.outcome,
    )


def alike(points: Sequence[Point]) -> list[list[int]]:
    """Positions of points of equal conditions and rows, oldest first in each group."""
    groups: dict[tuple[str, str], list[int]] = {}
    for place, point in enumerate(points):
        groups.setdefault((point.run.conditions, point.dataset), []).append(place)
    return list(groups.values())


def _series(system: str, query: str, title: str, points: Sequence[Point]) -> Series:
    changes = []
    groups = alike(points)
    for group in groups:
        for found in change_points([math.log(points[place].p95_ms) for place in group]):
            changes.append(
                Change(
                    system=system, query=query, point=group[found.index], run=points[group[found.index]].run,
                    last_before=points[group[found.index - 1]].run, ratio=found.ratio, p_value=found.p_value,
                )
            )  # fmt: skip
    return Series(
        system=system,
        query=query,
        title=title,
        points=tuple(points),
        changes=tuple(sorted(changes, key=lambda change: change.point)),
        most_alike=max(map(len, groups)),
    )


def _letter(number: int) -> str:
    """A, B … Z, AA, AB …"""
    before, last = divmod(number, 26)
    return (_letter(before - 1) if before else "") + chr(ord("A") + last)
