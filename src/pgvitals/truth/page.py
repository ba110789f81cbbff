"""The page of the experiments: every share beside its goal, how the truth is known, and how quiet the machine was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from pgvitals.report.markdown_parts import markdown_table
from pgvitals.results.outcome import Outcome
from pgvitals.truth.effects import EFFECTS
from pgvitals.truth.figures import CONFIDENCE, Answer, Figure, LongRun, found_in, long_runs, trials_of
from pgvitals.truth.gate import FACTORS, Judged
from pgvitals.truth.lookups import SCHEMA, SLOW_SHARE
from pgvitals.truth.sittings import NOTHING
from pgvitals.truth.state import Setup, Sitting

HEADINGS = ("What", "Trials", "Share", "Interval", "Goal", "", "Open", "Void")
_TITLES = {NOTHING: "nothing"} | {effect.name: effect.title for effect in EFFECTS}


def rows_of(found: Iterable[Figure]) -> list[tuple[str, ...]]:
    """The figures as a table shows them; columns as :data:`HEADINGS`."""
    return [
        (
            figure.what,
            f"{figure.hits} of {figure.trials}",
            "" if figure.share is None else f"{figure.share:.1%}",
            "" if figure.interval is None else f"{figure.interval.low:.1%} to {figure.interval.high:.1%}",
            figure.goal,
            f"{figure.answer}{', surely' if figure.sure and figure.answer is not Answer.UNKNOWN else ''}",
            "" if figure.undecided is None else str(figure.undecided),
            str(figure.void),
        )
        for figure in found
    ]


def noise_told(sittings: Sequence[Sitting]) -> str:
    """How quiet the machine was over all sittings, in a sentence or two."""
    if not sittings:
        return "Nothing was measured yet."
    measured, dropped = (sum(getattr(each, name) for each in sittings) for name in ("measured", "dropped"))
    noise = [each.noise for each in sittings]
    fastest = min(each.canary_best_ms for each in noise)
    medians = [each.canary_best_ms * each.canary_median_ratio / fastest for each in noise]
    worst = max(each.canary_best_ms * each.canary_worst_ratio / fastest for each in noise)
    pressure = [each.cpu_pressure_median for each in noise if each.cpu_pressure_median is not None]
    steal = [each.steal_worst for each in noise if each.steal_worst is not None]
    told = [
        f"{dropped} of {measured} rounds and batches ({dropped / measured:.1%}) were dropped as disturbed",
        f"canary, median of a sitting, {min(medians):.2f}x to {max(medians):.2f}x its best, at worst {worst:.2f}x",
        f"load average {min(s.load for s in sittings):.1f} to {max(s.load for s in sittings):.1f}",
    ]
    if pressure:
        told.append(f"others took {min(pressure):.1%} to {max(pressure):.1%} of the core (median of a sitting)")
    if steal:
        told.append(f"steal at most {max(steal):.1%}")
    return f"{'; '.join(told)}."


def page(
    setup: Setup, sittings: Sequence[Sitting], judged: Sequence[Judged], found: Sequence[Figure], outcome: Outcome
) -> str:
    """docs/measurements/truth.md."""
    return "\n".join(
        part
        for part in (
            "# What pgvitals says, against the truth\n",
            _conditions(setup, sittings),
            f"Outcome: **{outcome.value}**. {noise_told(sittings)}\n",
            markdown_table(HEADINGS, "lrrrllrr", rows_of(found)),
            f"Intervals: {CONFIDENCE:.0%}, Clopper–Pearson, as if trials did not depend on each other; those of one "
            "sitting share its minutes and the machine's mood. *Surely*: the whole interval lies on that side of the "
            "goal. *Open*: inconclusive, among the trials. *Void*: the placebo alarmed, or too little was quiet; not "
            "among the trials.\n",
            _costs(setup, sittings),
            _truth(setup, sittings),
            _paired(sittings),
            _gate(judged),
        )
        if part
    )


def _conditions(setup: Setup, sittings: Sequence[Sitting]) -> str:
    versions = setup.versions
    first, last = (sittings[at].started_utc if sittings else setup.started_utc for at in (0, -1))
    return (
        f"`make check-truth` on {setup.server.version}, {setup.hardware.cpu_model}, {setup.hardware.cores} cores, "
        f"kernel {setup.hardware.kernel}, Python {versions.get('python', '')}, psycopg {versions.get('psycopg', '')}, "
        f"{setup.server.transport} socket; {len(sittings)} sittings from {first} to {last}.\n"
    )


def _costs(setup: Setup, sittings: Sequence[Sitting]) -> str:
    rows = []
    for kind, words in (
        ("effects", "comparisons with every effect and with none"),
        ("same", "comparisons of the same with itself"),
        ("gate", "two attempts of every lookup"),
    ):
        took = [each.seconds for each in sittings if each.kind == kind]
        if took:
            trials = max(len(each.trials) or len(setup.costs) for each in sittings if each.kind == kind)
            rows.append((words, str(len(took)), f"{np.mean(took):.0f}", str(trials), f"{np.mean(took) / trials:.1f}"))
    impact, gate = setup.plans["impact"], setup.plans["gate"]
    told = (
        f"A comparison takes {impact['rounds']} rounds of {2 * impact['per_arm']} executions an arm at its first look, "
        f"twice and four times as many at the next ones ({impact['looks']} looks at most), on {impact['clones']} sets "
        f"of clones a look. An attempt of the gate takes {gate['batches']} batches of {gate['batch_size']}.\n"
    )
    head = ("A sitting of", "Sittings", "Seconds", "Trials in it", "Seconds a trial")
    return f"## What a trial costs\n\n{told}\n{markdown_table(head, 'lrrrr', rows)}" if rows else ""


def _truth(setup: Setup, sittings: Sequence[Sitting]) -> str:
    runs = [
        run
        for run in long_runs(sittings)
        if run.effect == NOTHING or run.estimator == ("p50" if run.effect == "typical_10" else "p95")
    ]
    calibration = setup.plans["calibration"]
    executions = calibration["batches"] * calibration["batch_size"]
    told = (
        "## How the truth is known\n\n"
        f"{len(setup.costs)} lookups read one row or twenty by their key and then count steps in the server, a number "
        "that is stored in the row. A database with an effect has the same rows with other numbers. How many steps "
        f"an effect takes was worked out on {executions:,} executions of each lookup of the base, once at the "
        "beginning: a typical effect adds a tenth of the median to every row; an effect on the p95 makes the slow "
        f"{SLOW_SHARE:.0%} of the rows slower in proportion, and leaves the others alone.\n\n"
        "What came of it is the ratio of all executions of an arm, pooled, over those of the base in the same rounds. "
        "Only the first look of a sitting counts here, which is measured whatever it says; the interval "
        f"({CONFIDENCE:.0%}) is over sittings.\n"
    )
    head = ("Lookup", "p50, ms", "p95, ms", *(f"{_TITLES[effect]}, {name}" for effect, name in _columns(runs)))
    rows = [
        (
            name,
            f"{cost.p50_ms:.3f}",
            f"{cost.p95_ms:.3f}",
            *(_ratio(runs, effect, f"{SCHEMA}/{name}", estimator) for effect, estimator in _columns(runs)),
        )
        for name, cost in setup.costs.items()
    ]
    return f"{told}\n{markdown_table(head, 'lrr' + 'r' * len(_columns(runs)), rows)}"


def _columns(runs: Sequence[LongRun]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((run.effect, run.estimator) for run in runs))


def _ratio(runs: Sequence[LongRun], effect: str, lookup: str, estimator: str) -> str:
    for run in runs:
        if (run.effect, run.lookup, run.estimator) == (effect, lookup, estimator):
            span = "" if run.interval is None else f" [{run.interval.low:.3f}, {run.interval.high:.3f}]"
            return f"{run.ratio:.3f}{span}"
    return ""


def _paired(sittings: Sequence[Sitting]) -> str:
    rows = []
    for effect, title in _TITLES.items():
        trials = trials_of(sittings, effect)
        if not trials:
            continue
        looks, verdicts = Counter(trial.look for trial in trials), Counter(trial.verdict for trial in trials)
        estimator = "p95" if effect.startswith("p95") else "typical"
        first = sum(found_in(trial, estimator) and trial.look == 1 for trial in trials)
        rows.append(
            (
                title,
                str(len(trials)),
                ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common()),
                " / ".join(str(looks[number]) for number in range(1, max(looks) + 1)),
                str(first) if effect else "",
            )
        )
    if not rows:
        return ""
    head = ("True change", "Comparisons", "Verdicts", "Settled at look 1 / 2 / 3", "Found at the first look")
    return (
        "## Comparisons\n\nEach is judged as an impact whose eight lookups include one that changed (Holm over all of "
        f"them).\n\n{markdown_table(head, 'lrlrr', rows)}"
    )


def _gate(judged: Sequence[Judged]) -> str:
    quiet = [each for each in judged if each.quiet]
    if not quiet:
        return ""
    rows = []
    for factor in FACTORS:
        counts = Counter(each.outcomes[factor] for each in quiet)
        shares = (f"{counts[word] / len(quiet):.1%}" for word in (Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL))
        rows.append((f"{factor:g}", *shares))
    others = min(each.others for each in quiet)
    told = (
        f"{len(quiet)} trials, each judged against every budget, a second attempt where the rules ask for one. The "
        "true p95 of a trial is that of all quiet batches of the same lookup in all other sittings, short probes after "
        f"every sitting included: at least {others:,} executions.\n"
    )
    head = ("Budget / true p95", "Pass", "Inconclusive", "Fail")
    return f"## The gate\n\n{told}\n{markdown_table(head, 'rrrr', rows)}"
