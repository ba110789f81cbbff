"""`python -m pgvitals.measure.harness`: what pgvitals measures, beside what pgbench measures of the same.

All arms run in one go, interleaved (ABBA) over many rounds, each visit on a fresh connection, clients and server on one
core. Rounds in which the machine was not quiet do not count: it goes on, without a look at latencies, until enough
were, or three times as many were made. With too few left the answer is inconclusive (exit code 3).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pgvitals.cli import run_app
from pgvitals.lab import Database, fingerprint, start_server
from pgvitals.measure import noise
from pgvitals.measure.harness_arms import ARMS, WORKLOADS, Workload, make_table, visit
from pgvitals.measure.harness_core import on_one_core, spent, taken
from pgvitals.measure.harness_figures import CONFIDENCE, Figure, Latencies, figures, medians_us, outcome_of
from pgvitals.measure.noise import NoiseProbe
from pgvitals.report.markdown_parts import markdown_table
from pgvitals.results.outcome import EXIT_CODES, Outcome
from pgvitals.results.records import Hardware, Noise, Server
from pgvitals.stats.compare import abba_order
from pgvitals.stats.samples import BoolArray, FloatArray
from pgvitals.stats.validity import BatchNoise, valid_batches
from pgvitals.suite import find_suite
from pgvitals.terminal import Terminal, outcome_text, table

ROUNDS, PER_VISIT = 100, 200
MOST_TIMES = 3
FOLDER = Path("docs/measurements")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, kw_only=True)
class Check:
    """``harness.json``: what was found, and under which conditions."""

    outcome: Outcome
    figures: tuple[Figure, ...]
    medians_us: dict[str, dict[str, tuple[float, float]]]  # workload -> arm -> p50, p95
    rounds: int
    quiet_rounds: int
    per_visit: int
    noise: Noise | None  # its CPU pressure is what strangers took of the core, where there was one
    one_core: bool
    server: Server
    hardware: Hardware
    versions: dict[str, str]


def check(
    database: Database,
    terminal: Terminal,
    *,
    rounds: int,
    per_visit: int,
    seed: int = 1,
    core: tuple[int, int] | None = None,
) -> Check:
    """Measure every arm of every workload in an empty database of ours.

    Args:
        rounds: quiet ones that are wanted; at most three times as many are made.
        core: the number of the core that we have, and the server's first process, if all of us share one.

    Raises:
        MeasureError: pgbench or a statement fails.
    """
    make_table(database)
    rng = np.random.default_rng(seed)
    order = abba_order(rng, MOST_TIMES * rounds, arms=len(ARMS))
    latencies_of: dict[str, list[Mapping[str, FloatArray]]] = {workload.name: [] for workload in WORKLOADS}
    seen: list[BatchNoise] = []
    with terminal.bar("the same through pgbench, psycopg and pgvitals", unit="quiet rounds") as bar:
        for visits in ([ARMS[position] for position in each] for each in order):
            probe, before = NoiseProbe(), spent(*core) if core else None
            for workload in (WORKLOADS[position] for position in rng.permutation(len(WORKLOADS))):
                latencies_of[workload.name].append(_round(database, workload, visits, rng, per_visit))
            noted = probe.read()
            seen.append(replace(noted, cpu_pressure=taken(before, spent(*core))) if core and before else noted)
            quiet = valid_batches(seen)
            bar.batches(int(quiet.sum()), rounds)
            if quiet.sum() >= rounds:
                break
    latencies = {name: _stacked(each, quiet) for name, each in latencies_of.items()}
    found = tuple(figure for name, each in latencies.items() for figure in figures(name, each, int(quiet.sum())))
    return Check(
        outcome=outcome_of(found),
        figures=found,
        medians_us={name: medians_us(each) for name, each in latencies.items()},
        rounds=len(seen),
        quiet_rounds=int(quiet.sum()),
        per_visit=per_visit,
        noise=noise.summary(seen),
        one_core=core is not None,
        server=fingerprint.server(database, "embedded", "a server for this check alone"),
        hardware=fingerprint.hardware(),
        versions=fingerprint.versions(),
    )


def _round(
    database: Database, workload: Workload, visits: Sequence[str], rng: np.random.Generator, per_visit: int
) -> dict[str, FloatArray]:
    """Every arm twice, forth and back: at its first visit with one seed, at its second with another."""
    seeds = [int(seed) for seed in rng.integers(0, 2**31, size=2)]
    halves: dict[str, list[FloatArray]] = {}
    count = dict.fromkeys(ARMS, 0)
    for arm in visits:
        seed = seeds[count[arm]]
        count[arm] += 1
        for name, each in visit(database, arm, workload, seed=seed, n=per_visit).items():
            halves.setdefault(name, []).append(each)
    return {name: np.concatenate(each) for name, each in halves.items()}


def _stacked(rounds: Sequence[Mapping[str, FloatArray]], quiet: BoolArray) -> Latencies:
    """The rounds that count; all of them where none does, so that there is something to look at."""
    kept = quiet if quiet.any() else np.ones_like(quiet)
    return {arm: np.array([each[arm] for each in rounds])[kept] for arm in rounds[0]}


def rows_of(found: Check) -> list[tuple[str, ...]]:
    """The figures as a table shows them."""
    return [
        (
            figure.name,
            figure.workload,
            _value(figure.value, figure.unit),
            f"{_value(figure.low, figure.unit)} to {_value(figure.high, figure.unit)}",
            f"at most {_value(figure.goal, figure.unit)}" if figure.goal is not None else "",
            figure.outcome.value if figure.goal is not None else "",
        )
        for figure in found.figures
    ]


def _value(value: float, unit: str) -> str:
    return f"{value:.2f}x" if unit == "x" else f"{value:.1f} µs"


def noise_told(found: Check) -> str:
    """How quiet the machine was, in a sentence."""
    if found.noise is None:
        return "no round was measured"
    pressure, canary = found.noise.cpu_pressure_median, found.noise
    told = [
        f"{found.quiet_rounds} of {found.rounds} rounds were quiet",
        f"canary {canary.canary_median_ratio:.2f}x its best (median), {canary.canary_worst_ratio:.2f}x (worst)",
        "" if pressure is None else f"{'others had' if found.one_core else 'CPU pressure'} {pressure:.1%} (median)",
    ]
    return "; ".join(part for part in told if part)


def markdown(found: Check) -> str:
    """The page that `--write` makes."""
    arms = [
        (name, arm, f"{p50:.1f}", f"{p95:.1f}")
        for name, each in found.medians_us.items()
        for arm, (p50, p95) in each.items()
    ]
    return "\n".join(
        [
            "# pgvitals beside pgbench\n",
            f"`make check-harness` on {found.server.version}, {found.hardware.cpu_model}, {found.hardware.cores} "
            "cores, "
            f"psycopg {found.versions.get('psycopg', '')}, {found.server.transport} socket. The same statements, "
            "parameters and rows through `pgbench -M prepared` (the latency of each transaction, as it logs it), "
            "through a cursor of psycopg (`cursor`: execute and fetchall), through the calls of psycopg that pgvitals "
            "makes, bare (`driver`; `execute` is that without the rows made Python values), through pgvitals (its "
            "service time), and through pytest-benchmark (`fixture`), interleaved over "
            f"{found.rounds} rounds, 2 x {found.per_visit} executions an arm. Ratios "
            "and differences are taken inside a round; shown are their median and its "
            f"{CONFIDENCE:.0%} interval.\n",
            f"{'Clients and server shared one core. ' if found.one_core else ''}{noise_told(found)}. "
            f"Outcome: **{found.outcome.value}**.\n",
            markdown_table(("Figure", "Statement", "Median", "Interval", "Goal", ""), "llrrrl", rows_of(found)),
            markdown_table(("Statement", "Arm", "p50, µs", "p95, µs"), "llrr", arms),
            "pgbench does not look at the rows; psycopg makes Python values of them, and what that costs is in every "
            "service time that pgvitals tells. pgbench's statement is a transaction of its own; the others run inside "
            "one that is not timed with them.\n",
        ]
    )


@app.command()
def main(
    rounds: Annotated[int, typer.Option(min=1, help="Quiet rounds; each visits every arm twice.")] = ROUNDS,
    per_visit: Annotated[int, typer.Option(min=20, help="Executions at a visit.")] = PER_VISIT,
    write: Annotated[bool, typer.Option("--write", help=f"Also write harness.md and .json into {FOLDER}.")] = False,
) -> None:
    """The same statements through pgbench and through pgvitals, interleaved in one run.

    Exit codes: 0 the goals are met, 1 one is missed, 3 the machine was not quiet enough to say.
    """
    terminal, suite = Terminal(), find_suite()
    with on_one_core() as core, start_server("embedded", suite=suite) as server, server.scratch("harness") as database:
        process = server.state.server
        shared = (core, process.pid) if core is not None and process is not None else None
        found = check(database, terminal, rounds=rounds, per_visit=per_visit, core=shared)
    columns = [("figure", "left"), ("statement", "left"), *((name, "right") for name in ("median", "interval", "goal"))]
    terminal.show(table("pgvitals beside pgbench", [*columns, ("", "left")], rows_of(found)))
    terminal.line(noise_told(found))
    terminal.show(outcome_text(found.outcome))
    if write:
        folder = suite.root / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "harness.md").write_text(markdown(found))
        (folder / "harness.json").write_text(json.dumps(asdict(found), indent=1) + "\n")
    raise typer.Exit(EXIT_CODES[found.outcome])


if __name__ == "__main__":
    run_app(app)
