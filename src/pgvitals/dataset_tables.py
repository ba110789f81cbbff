"""What `pgvitals load --describe` prints: facts, tenants, and when visits take place."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from rich.markup import escape
from rich.table import Table

from pgvitals.dataset.describe import Description
from pgvitals.report.fact_review import LOUD, expected_of, told, value_of
from pgvitals.report.wording import share
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Fact
from pgvitals.terminal import STYLES, outcome_text, table

_BAR = 30
_EIGHTHS = " ▏▎▍▌▋▊▉"
_WORDS = {Outcome.NOT_APPLICABLE: "n/a"}


def description_tables(found: Description) -> list[Table]:
    """Tenants, hours and facts, the facts last: what does not hold should not scroll away."""
    hours = [hours_table(found.pictures["visits_by_hour"])] if "visits_by_hour" in found.pictures else []
    return [tenants_table(found.tenants), *hours, *fact_tables(found.facts)]


def fact_tables(facts: Sequence[Fact]) -> list[Table]:
    """One table a system: what does not hold first, then claim by claim."""
    systems = dict.fromkeys(fact.system for fact in facts)
    return [_fact_table(system, [fact for fact in facts if fact.system == system]) for system in systems]


def _fact_table(system: str, facts: Sequence[Fact]) -> Table:
    ordered = sorted(facts, key=lambda fact: (fact.outcome not in LOUD, fact.about, fact.fact))
    rows = []
    about = ""
    for fact in ordered:
        rows.append((_outcome(fact), "" if fact.about == about else escape(fact.about), *_cells(fact)))
        about = fact.about
    columns = [("", "left"), ("about", "left"), ("fact", "left"), ("value", "right"), ("expected", "left")]
    return table(f"{system}: {told(facts)}", columns, rows)


def _outcome(fact: Fact) -> str:
    word = _WORDS.get(fact.outcome)
    return f"[{STYLES[fact.outcome]}]{word}[/]" if word else outcome_text(fact.outcome)


def _cells(fact: Fact) -> tuple[str, str, str]:
    why = "" if fact.outcome in (Outcome.PASS, Outcome.FAIL) else f" [dim]({escape(fact.reason)})[/]"
    value = f"[bold red]{escape(value_of(fact))}[/]" if fact.outcome is Outcome.FAIL else escape(value_of(fact))
    return escape(fact.title) + why, value, escape(expected_of(fact))


def tenants_table(tenants: pd.DataFrame) -> Table:
    """Rows of the largest, the median and the smallest tenant of each system's traffic table."""
    rows = []
    for (system, name), group in tenants.groupby(["system", "table"], sort=False):
        sizes = group["rows"]
        rows.append(
            (
                escape(f"{system}.{name}"),
                f"{len(sizes):,}",
                f"{sizes.max():,} ({share(sizes.max() / sizes.sum())})",
                f"{sizes.median():,.0f}",
                f"{sizes.min():,}",
            )
        )
    columns = [
        ("rows of", "left"),
        ("tenants", "right"),
        ("largest", "right"),
        ("median", "right"),
        ("smallest", "right"),
    ]
    return table("Tenants", columns, rows)


def hours_table(visits: pd.DataFrame) -> Table:
    """Visits by the local hour at which they begin, a bar for each hour and system."""
    by_hour = visits.groupby(["hour", "system"])["visits"].sum().unstack(fill_value=0)
    shares = by_hour / by_hour.sum()
    hours = range(int(by_hour.index.min()), int(by_hour.index.max()) + 1)
    shares = shares.reindex(hours, fill_value=0.0)
    most = float(shares.to_numpy().max()) or 1.0
    rows = [
        (f"{hour}:00", *(f"{_bar(part / most)} {share(part)}".strip() for part in parts))
        for hour, parts in zip(hours, shares.to_numpy().tolist(), strict=True)
    ]
    columns = [("local time", "right"), *((str(system), "left") for system in shares.columns)]
    return table("When visits begin", columns, rows)


def _bar(part: float) -> str:
    eighths = round(part * _BAR * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
