"""How the conflict check grows with a workspace's history: the document's form beside the hardened one.

    python bench/conflict_history.py                         (four minutes)
    python bench/conflict_history.py docs/measurements       (also writes conflict-history.md and .svg there)

Ten workspaces of one database hold 1,000 to 1,000,000 appointments. Each form runs as the application
role, under row-level security, with parameters of one workspace at a time and the batches of all workspaces
interleaved; how much longer the largest one takes is judged round by round. The document's form runs on a copy
that has its indexes and not the hardening's, which would serve it too.
"""

import io
import math
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import typer

from pgvitals.dataset.load import load
from pgvitals.lab import Database, start_server
from pgvitals.lab.fingerprint import server as server_record
from pgvitals.lab.migrate import upgrade
from pgvitals.measure.latency import mark_valid
from pgvitals.measure.plan import capture
from pgvitals.measure.prepare import at_rest
from pgvitals.measure.sampler import parameter_sets, sample
from pgvitals.measure.task import Task, make_tasks
from pgvitals.profile import MeasurePlan, Profile
from pgvitals.stats.compare import p95_log_ratios, typical_log_ratios
from pgvitals.stats.percentile import batch_interval, percentile
from pgvitals.stats.signed_rank import hodges_lehmann
from pgvitals.suite import Suite, find_suite
from pgvitals.terminal import Terminal

FORMS = {"conflict_check": "btree, as documented", "conflict_check_hardened": "GiST, hardened"}
LARGEST, WORKSPACES, ZIPF = 1_000_000, 10, 3.0  # the n-th workspace has 1/n³ of the largest one's appointments
RANKS = (1, 2, 4, 10)
PLAN = MeasurePlan(batches=60, batch_size=100)
CONFIDENCE = 0.99
LIMIT = 2.0
HARDENED_ONLY = (
    "alter table pazpaz.appointments drop constraint ex_appointments_practitioner_overlap; "
    "drop index pazpaz.ix_appointments_practitioner_times, pazpaz.ix_appointments_unassigned_times"
)


class Growth(NamedTuple):
    """How many times longer the largest workspace takes."""

    ratio: float
    low: float
    high: float


def profile_of(suite: Suite) -> Profile:
    """The smoke profile with little more than ten workspaces' appointments."""
    smoke = suite.profiles.get("smoke")
    total = round(LARGEST * sum(rank**-ZIPF for rank in range(1, WORKSPACES + 1)))
    sizes = smoke.sizes["pazpaz"] | {"workspaces": WORKSPACES, "clients": 20_000, "appointments": total}
    return smoke.model_copy(update={"zipf": ZIPF, "sizes": {"pazpaz": sizes}})


def workspaces(database: Database) -> dict[int, tuple[str, int]]:
    """Rank -> workspace and how many appointments it has."""
    with database.connect() as conn:
        found = conn.execute(
            "select workspace_id::text, count(*) from pazpaz.appointments group by 1 order by 2 desc"
        ).fetchall()
    return {rank: row for rank, row in enumerate(found, start=1) if rank in RANKS}


def tasks_of(suite: Suite, database: Database, form: str, sizes: dict[int, tuple[str, int]]) -> list[Task]:
    """A form with the parameters of every workspace, under names of their own."""
    (query,) = (query for query in suite.queries if query.system == "pazpaz" and query.name == form)
    one_each = [
        replace(
            query,
            name=f"{form}@{rank}",
            params=f"select * from ({query.params}) p where workspace_id = '{workspace}'",
        )
        for rank, (workspace, _) in sizes.items()
    ]
    systems = {"pazpaz": suite.system("pazpaz")}
    return make_tasks(database, one_each, systems, parameter_sets=parameter_sets(PLAN), seed=1)


def measure(suite: Suite, database: Database, form: str, terminal: Terminal) -> tuple[pd.DataFrame, dict[str, Growth]]:
    """One row a workspace: appointments, rows found, p50, p95 with its interval, index; and how it grows."""
    sizes = workspaces(database)
    tasks = tasks_of(suite, database, form, sizes)
    with at_rest(database, ["pazpaz"]), terminal.bar(f"measure {FORMS[form]}", unit="batches") as bar:
        samples = mark_valid(sample(database, tasks, PLAN, seed=1, progress=bar.batches))
    rows, batches = [], {}
    for task in tasks:
        rank = int(task.query.name.split("@")[1])
        own = samples[samples["query"] == task.query.name]
        batches[rank] = np.stack([batch["latency_ns"].to_numpy() for _, batch in own.groupby("batch")])
        quiet = own[own["valid"]] if own[own["valid"]]["batch"].nunique() > 1 else own
        ms = quiet["latency_ns"] / 1e6
        p95 = percentile(ms, 0.95)
        per_batch = [percentile(batch, 0.95) for _, batch in ms.groupby(quiet["batch"])]
        interval = batch_interval(per_batch, pooled=p95)
        rows.append(
            {
                "form": FORMS[form],
                "appointments": sizes[rank][1],
                "rows": own["rows"].median(),
                "p50_ms": percentile(ms, 0.5),
                "p95_ms": p95,
                "p95_low_ms": interval.low if interval else None,
                "p95_high_ms": interval.high if interval else None,
                "plan": capture(database, task)[0]["shape"],
            }
        )
    small, large = batches[max(batches)], batches[min(batches)]
    growth = {"typical": grown(typical_log_ratios(small, large)), "p95": grown(p95_log_ratios(small, large))}
    return pd.DataFrame(rows).sort_values("appointments", ignore_index=True), growth


def grown(logs: np.ndarray) -> Growth:
    """The ratio of the rounds, largest workspace over smallest, with its interval."""
    centre, interval = hodges_lehmann(logs, CONFIDENCE)
    assert interval is not None
    return Growth(math.exp(centre), math.exp(interval.low), math.exp(interval.high))


def told(form: str, growth: dict[str, Growth], smallest: int, largest: int) -> str:
    """The growth in a sentence, with what it says of the limit."""
    p95 = growth["p95"]
    answer = "under" if p95.high < LIMIT else "over" if p95.low > LIMIT else "not sure to be under"
    each = ", ".join(f"{name} {of.ratio:.2f} x ({of.low:.2f} to {of.high:.2f})" for name, of in growth.items())
    return f"- {form}: from {smallest:,} to {largest:,} appointments {each}: the p95 is {answer} {LIMIT:g} x.\n"


def markdown(found: pd.DataFrame, growth: dict[str, dict[str, Growth]], version: str) -> str:
    """The table, and what it comes to."""
    text = io.StringIO()
    text.write("# The conflict check and a workspace's history\n\n")
    text.write(f"`python bench/conflict_history.py` on {version}, as `pazpaz_app` under row-level security.\n\n")
    text.write("| form | appointments | rows found | p50 ms | p95 ms | 99 % interval | plan |\n")
    text.write("|---|--:|--:|--:|--:|--:|---|\n")
    for row in found.itertuples():
        text.write(
            f"| {row.form} | {row.appointments:,} | {row.rows:g} | {row.p50_ms:.3f} | {row.p95_ms:.3f}"
            f" | {row.p95_low_ms:.3f} to {row.p95_high_ms:.3f} | {row.plan} |\n"
        )
    text.write(
        f"\nThe largest workspace against the smallest, over {PLAN.batches} rounds with both in each (99 %):\n\n"
    )
    for form, rows in found.groupby("form"):
        text.write(told(str(form), growth[str(form)], rows["appointments"].min(), rows["appointments"].max()))
    return text.getvalue()


def chart(found: pd.DataFrame, path: Path) -> None:
    """The p95 and its interval against the history, both on logarithmic scales."""
    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    for form, rows in found.groupby("form"):
        beside = [rows["p95_ms"] - rows["p95_low_ms"], rows["p95_high_ms"] - rows["p95_ms"]]
        axes.errorbar(rows["appointments"], rows["p95_ms"], yerr=beside, marker="o", capsize=3, label=str(form))
    axes.set(xscale="log", yscale="log", xlabel="appointments of the workspace", ylabel="p95, ms")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path)


def main(out: Annotated[Path | None, typer.Argument(help="Folder for the table and the picture")] = None) -> None:
    """Measure the conflict check on workspaces of 1,000 to 1,000,000 appointments."""
    suite, terminal = find_suite(Path(__file__).parent), Terminal()
    with start_server("auto", suite=suite) as server, server.scratch("history") as database, ExitStack() as stack:
        with terminal.step("migrate pazpaz"):
            upgrade(suite, database, "pazpaz@head")
        with terminal.step("load 1.2 million appointments"):
            load(suite, database, profile_of(suite), systems=["pazpaz"])
        with terminal.step("copy it without the hardening's indexes"):
            documented = stack.enter_context(server.scratch("documented", database))
            with documented.connect() as conn:
                conn.execute(HARDENED_ONLY)
        databases = {"conflict_check": documented, "conflict_check_hardened": database}
        measured = {form: measure(suite, database, form, terminal) for form, database in databases.items()}
        version = server_record(database, server.state.kind, "").version
    found = pd.concat([rows for rows, _ in measured.values()], ignore_index=True)
    text = markdown(found, {FORMS[form]: growth for form, (_, growth) in measured.items()}, version)
    typer.echo(text)
    if out:
        out.mkdir(parents=True, exist_ok=True)
        (out / "conflict-history.md").write_text(text + "\n![p95 against history](conflict-history.svg)\n")
        chart(found, out / "conflict-history.svg")


if __name__ == "__main__":
    typer.run(main)
