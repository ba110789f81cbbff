"""What a person sees while and after a command works: steps, bars, tables; progress goes to stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from pgvitals.results.outcome import Outcome

if TYPE_CHECKING:
    from pgvitals.dataset.progress import Step

_WIDTH = 160

STYLES = {
    Outcome.PASS: "green",
    Outcome.FAIL: "bold red",
    Outcome.ERROR: "bold red",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.WAIVED: "cyan",
    Outcome.NOT_APPLICABLE: "dim",
}


@dataclass
class Bar:
    """One progress bar."""

    progress: Progress
    task: TaskID

    def batches(self, done: int, total: int) -> None:
        """Report progress in steps."""
        self.progress.update(self.task, completed=done, total=total)

    def rows(self, step: Step) -> None:
        """Report how far a dataset is loaded."""
        what = f"{step.system} {step.phase}: {step.item}" if step.item else f"{step.system} {step.phase}"
        self.progress.update(self.task, completed=step.rows_done, total=step.rows_total, what=escape(what))


class _Rate(ProgressColumn):
    """Units a second, over the last half minute."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="dim")


class Terminal:
    """Output of one command; ``quiet`` (for ``--json``) keeps stdout for the JSON alone."""

    def __init__(self, *, quiet: bool = False) -> None:
        # Without a terminal (CI, a file) there is no width to keep to: names stay whole.
        self.out = Console(highlight=False, quiet=quiet, width=None if sys.stdout.isatty() else _WIDTH)
        self.err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _WIDTH)

    def say(self, text: str) -> None:
        """One line of news, on stderr."""
        self.err.print(f"[dim]·[/] {escape(text)}", soft_wrap=True)

    def show(self, item: object) -> None:
        """Print a result (a rich renderable, or text with markup, which is never wrapped) on stdout."""
        self.out.print(item, soft_wrap=isinstance(item, str))

    def line(self, text: str) -> None:
        """Print plain text on stdout, never wrapped and never read as markup."""
        self.out.print(text, markup=False, soft_wrap=True)

    def error(self, text: str) -> None:
        """One line about what went wrong, on stderr."""
        self.err.print(f"[bold red]error:[/] {escape(' '.join(text.split()))}", soft_wrap=True)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A piece of work without a measurable middle."""
        start = time.monotonic()
        with self.err.status(escape(title)):
            yield
        self._done(title, start)

    @contextmanager
    def bar(self, title: str, unit: str = "") -> Iterator[Bar]:
        """A piece of work with a bar: done, total, elapsed and remaining time."""
        start = time.monotonic()
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn(unit),
            *([_Rate()] if unit == "rows" else []),
            TextColumn("[dim]{task.fields[what]}[/]"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.err,
            transient=True,
            disable=not self.err.is_terminal,
        ) as progress:
            yield Bar(progress, progress.add_task(escape(title), total=None, what=""))
        self._done(title, start)

    def _done(self, title: str, start: float) -> None:
        seconds = time.monotonic() - start
        self.err.print(f"[green]✓[/] {escape(title)} [dim]{seconds:.1f} s[/]", soft_wrap=True)


def outcome_text(outcome: Outcome) -> str:
    """An outcome in its colour."""
    return f"[{STYLES[outcome]}]{outcome.value}[/]"


def table(title: str, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> Table:
    """A table; ``columns`` are (heading, justify), cells may hold markup. The title keeps its line."""
    heading_line = Text(title, no_wrap=True, overflow="ignore")
    made = Table(
        title=heading_line, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False
    )
    for heading, justify in columns:
        made.add_column(heading, justify=justify, no_wrap=justify == "right", overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        made.add_row(*row)
    return made
