"""What the runs of `bench/load_speed.py` come to: rates and ratios with their intervals, as a page and a picture."""

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from matplotlib.lines import Line2D

from pgvitals.report.charts import WIDE, Chart
from pgvitals.report.charts.canvas import ticks
from pgvitals.report.charts.palette import BLUE, MUTED, VERMILION
from pgvitals.report.charts.rows import Row, log_places, row_chart
from pgvitals.results.records import Hardware, Interval, Noise
from pgvitals.stats import hodges_lehmann

LIMIT = "ready"
WAYS = {
    "ready": "server-side COPY of a ready file",
    "ours-1": "pgvitals load, 1 process",
    "ours-2": "pgvitals load, 2 processes",
    "copy": "Faker for each row, COPY",
    "executemany": "Faker for each row, executemany",
    "to-sql": "Faker for each row, pandas.to_sql",
}
LABELS = {  # in the picture, where room is short
    "ready": "COPY of a ready file",
    "copy": "Faker and COPY",
    "executemany": "Faker and executemany",
    "to-sql": "Faker and to_sql",
}
RIVALS = ("copy", "executemany", "to-sql")
STEPS = ("prepare", "rows", "indexes", "vacuum", "checksum")
OF_LIMIT, TIMES_RIVALS, MEMORY_MB = 0.6, 25, 350  # the goals
QUIET = 0.05  # of a machine that does little else


@dataclass(frozen=True, kw_only=True)
class Run:
    """One way, once: ``round`` is None where it was not repeated; ``peaks_mb`` of each client process."""

    way: str
    rows: int
    round: int | None
    seconds: float
    peaks_mb: list[float]
    phases: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A centre and, with six rounds or more, its interval."""

    centre: float
    interval: Interval | None

    def said(self, form: str) -> str:
        """The centre and the interval, as cells of a table."""
        return f"{self.centre:{form}} | {self.beside(form)}"

    def beside(self, form: str) -> str:
        """The interval in words."""
        if self.interval is None:
            return "too few rounds"
        return f"{self.interval.low:{form}} to {self.interval.high:{form}}"

    def reaches(self, goal: float) -> str:
        """Whether the centre's interval lies beyond a goal."""
        if self.interval is None:
            return "too few rounds for an interval"
        if self.interval.low >= goal:
            return "reached"
        return "missed" if self.interval.high < goal else "open: the interval holds the goal"


def spread(values: Sequence[float]) -> Spread:
    """The Hodges-Lehmann centre of positive values on the logarithmic scale."""
    centre, interval = hodges_lehmann([math.log(value) for value in values])
    if interval is not None:
        interval = Interval(low=math.exp(interval.low), high=math.exp(interval.high), confidence=interval.confidence)
    return Spread(centre=math.exp(centre), interval=interval)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All runs of one go, and their conditions."""

    runs: list[Run]
    hardware: Hardware
    server: str
    versions: dict[str, str]
    noise: Noise | None
    busy: list[float]  # share of all cores that other work took just before each run
    revision: str | None

    def sizes(self) -> list[int]:
        """The sizes at which the limit was measured."""
        return sorted({run.rows for run in self.runs if run.way == LIMIT})

    def rates(self, way: str, rows: int) -> dict[int, float]:
        """Round -> rows a second."""
        return {
            run.round: run.rows / run.seconds
            for run in self.runs
            if (run.way, run.rows) == (way, rows) and run.round is not None
        }

    def ratio(self, way: tuple[str, int], to: tuple[str, int]) -> Spread:
        """Rows a second of one way over another's, paired by round."""
        ours, theirs = self.rates(*way), self.rates(*to)
        return spread([ours[k] / theirs[k] for k in sorted(ours.keys() & theirs.keys())])

    def memory(self, way: str, rows: int) -> tuple[float, float]:
        """Of the largest process, and of all together (each at its own peak: an upper bound)."""
        peaks = [run.peaks_mb for run in self.runs if (run.way, run.rows) == (way, rows)]
        return max(map(max, peaks)), max(map(sum, peaks))

    def rivals(self) -> Iterator[tuple[str, int]]:
        """The other ways with the size at which each was repeated."""
        for way in RIVALS:
            yield from ((way, rows) for rows in sorted({run.rows for run in self.runs if run.way == way and run.round}))


def page(found: Findings) -> str:
    """The findings in Markdown."""
    text, first = io.StringIO(), found.sizes()[0]
    text.write("# How fast rows are made and loaded\n\n")
    text.write(
        "`make bench-load`: appointments of pazpaz at its head, 14 columns, sealed notes. Every way fills the same"
        " table in the same state (empty, indexes and keys away), in a process of its own; each round runs all ways in"
        " another order, and a ratio is of one round. Centres are Hodges-Lehmann estimates, intervals 95 %.\n\n"
    )
    for rows in found.sizes():
        text.write(f"## {rows:,} appointments\n\n")
        text.write("| way | rows/s | 95 % interval | of the limit | 95 % interval | largest process, MB | all, MB |\n")
        text.write("|---|--:|--:|--:|--:|--:|--:|\n")
        for way in (LIMIT, "ours-1", "ours-2"):
            share = "1 | " if way == LIMIT else found.ratio((way, rows), (LIMIT, rows)).said(".2f")
            one, all_ = found.memory(way, rows)
            memory = " | " if way == LIMIT else f"{one:.0f} | {all_:.0f}"
            rate = spread(list(found.rates(way, rows).values())).said(",.0f")
            text.write(f"| {WAYS[way]} | {rate} | {share} | {memory} |\n")
        text.write("\n")
    text.write("## Other ways\n\n| way | rows each time | rows/s | 95 % interval | ours is so many times faster")
    text.write(" | 95 % interval | memory, MB |\n|---|--:|--:|--:|--:|--:|--:|\n")
    for way, rows in found.rivals():
        times = found.ratio(("ours-2", first), (way, rows)).said(".0f")
        rate = spread(list(found.rates(way, rows).values())).said(",.0f")
        text.write(f"| {WAYS[way]} | {rows:,} | {rate} | {times} | {found.memory(way, rows)[0]:.0f} |\n")
    text.write(
        f"\nOurs is 2 processes at {first:,} rows. The others make their rows with Faker as it comes: a call for\n"
    )
    text.write("each readable value, and for the start of a visit; ids and durations come from Python's `random`.\n")
    text.write("".join(f"\n{line}" for line in _once(found)))
    text.write("\n## All of a load\n\n| appointments | processes | prepare, s | rows, s | keys and indexes, s | VACUUM")
    text.write(" ANALYZE, s | checksums, s | together, s |\n|--:|--:|--:|--:|--:|--:|--:|--:|\n")
    for run in found.runs:
        if run.way.startswith("whole"):
            steps = (
                f"{run.phases.get(name, 0.0):.1f}" for name in ("prepare", "rows", "indexes", "vacuum", "checksum")
            )
            text.write(f"| {run.rows:,} | {run.way[-1]} | {' | '.join(steps)} | {run.seconds:.1f} |\n")
    text.write("\nEach once, so without an interval; 20,000 clients and a few rows of the other tables are in it.\n")
    text.write("\n## Goals\n\n")
    text.write("".join(f"- {line}\n" for line in goals(found)))
    text.write(f"\n## Conditions\n\n{conditions(found)}\n")
    return text.getvalue()


def _once(found: Findings) -> Iterator[str]:
    for run in found.runs:
        if run.way in RIVALS and run.round is None:
            yield (
                f"- {WAYS[run.way]}, {run.rows:,} rows, once: {run.seconds:.0f} s,"
                f" {run.rows / run.seconds:,.0f} rows/s, {max(run.peaks_mb):,.0f} MB.\n"
            )


def goals(found: Findings) -> Iterator[str]:
    """Each goal and whether it is reached, by the interval."""
    sizes = found.sizes()
    largest, first = sizes[-1], sizes[0]
    share = found.ratio(("ours-2", largest), (LIMIT, largest))
    yield (
        f"at least {OF_LIMIT} of the limit's rows/s at {largest:,} rows, 2 processes: {share.centre:.2f}"
        f" ({share.beside('.2f')}): {share.reaches(OF_LIMIT)}"
    )
    for way, rows in found.rivals():
        times = found.ratio(("ours-2", first), (way, rows))
        yield (
            f"at least {TIMES_RIVALS} times {WAYS[way]}: {times.centre:.0f} ({times.beside('.0f')}):"
            f" {times.reaches(TIMES_RIVALS)}"
        )
    for way in ("ours-1", "ours-2"):
        peaks = {rows: found.memory(way, rows) for rows in sizes}
        said = ", ".join(f"{one:.0f} MB at {rows:,} rows" for rows, (one, _) in peaks.items())
        verdict = "reached" if all(one < MEMORY_MB for one, _ in peaks.values()) else "missed"
        yield f"a process under {MEMORY_MB} MB, and flat, {WAYS[way].split(', ')[1]}: {said}: {verdict}"


def conditions(found: Findings) -> str:
    """Machine, versions, and how quiet it was."""
    machine, noise = found.hardware, found.noise
    lines = [
        f"- {found.server}; {machine.cpu_model}, {machine.cores} cores, {machine.memory_bytes / 2**30:.0f} GiB,"
        f" {machine.kernel}; client and server share them.",
        f"- {', '.join(f'{name} {version}' for name, version in found.versions.items())}"
        + (f"; revision {found.revision}." if found.revision else "."),
    ]
    if noise is not None:
        steal = "" if noise.steal_worst is None else f", at most {100 * noise.steal_worst:.1f} % of the time stolen"
        lines.append(
            f"- Between the runs a fixed piece of work took {noise.canary_median_ratio:.2f} times its best time in the"
            f" median and {noise.canary_worst_ratio:.2f} times at worst{steal}."
        )
    busy = median(found.busy)
    lines.append(
        f"- Just before each run, while nothing of ours ran, other work took {100 * busy:.0f} % of the machine in the"
        f" median and {100 * max(found.busy):.0f} % at most."
        + (" So it was busy: two processes and a server had less than two cores, and come off worst." * (busy > QUIET))
    )
    return "\n".join(lines)


def picture(found: Findings) -> Chart:
    """Rows a second of every way, on a logarithmic scale, with intervals."""
    drawn = [(way, rows, MUTED if way == LIMIT else BLUE) for rows in reversed(found.sizes()) for way in WAYS_OF_SIZE]
    drawn += [(way, rows, VERMILION) for way, rows in found.rivals()]
    spreads = [spread(list(found.rates(way, rows).values())) for way, rows, _ in drawn]
    frame = row_chart(
        [
            Row(
                label=f"{LABELS.get(way, WAYS[way])}: {_short(rows)}",
                value=_short(float(f"{rate.centre:.2g}")),
                strong=way == "ours-2",
            )
            for (way, rows, _), rate in zip(drawn, spreads, strict=True)
        ],
        width=WIDE,
        title="Rows a second",
        alt=f"Rows a second of {len(drawn)} ways to load appointments; the ready file is the limit.",
        xlabel="rows a second, logarithmic; the line is the 95 % interval over the rounds",
        legend=[
            (Line2D([], [], linestyle="None", marker="o", color=MUTED, markersize=6), "the limit: nothing is made"),
            (Line2D([], [], linestyle="None", marker="o", color=BLUE, markersize=6), "pgvitals load"),
            (Line2D([], [], linestyle="None", marker="o", color=VERMILION, markersize=6), "other ways"),
        ],
    )
    ends = [end for rate in spreads for end in _ends(rate)]
    frame.axes.set_xscale("log")
    frame.axes.set_xlim(min(ends) / 1.3, max(ends) * 1.3)
    places = log_places(min(ends) / 1.3, max(ends) * 1.3)
    ticks(frame.axes, "x", places, [_short(place) for place in places])
    for i, ((_, _, color), rate) in enumerate(zip(drawn, spreads, strict=True)):
        low, high = _ends(rate)
        frame.axes.hlines(-i, low, high, color=color, linewidth=2, zorder=2)
        frame.axes.plot(rate.centre, -i, "o", color=color, markersize=6, zorder=3)
    return frame.chart


WAYS_OF_SIZE = (LIMIT, "ours-2", "ours-1")


def _ends(rate: Spread) -> tuple[float, float]:
    return (rate.interval.low, rate.interval.high) if rate.interval else (rate.centre, rate.centre)


def _short(number: float) -> str:
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:g} {unit}"
    return f"{number:g}"
