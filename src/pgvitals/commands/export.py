"""The command that writes a dataset to files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pgvitals.commands.options import JsonOption, PostgresOption, SystemOption, print_json
from pgvitals.terminal import Terminal

if TYPE_CHECKING:
    from pgvitals.dataset.export import Export


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Directory to make; it may exist if it is empty.")],
    system: SystemOption = None,
    table: Annotated[
        list[str] | None, typer.Option("--table", help="Only this table, as in `pazpaz.clients`; may be repeated.")
    ] = None,
    postgres: PostgresOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Write the lab's rows as Parquet for DuckDB and pandas: DIR/system/table.parquet, and DIR/dataset.json.

    This is the one command that hands out values of rows. They are generated from a seed and nobody's data: a
    database that pgvitals did not make is refused. What a system encrypts leaves encrypted.
    """
    from pgvitals.dataset.export import export as write
    from pgvitals.lab import attach
    from pgvitals.suite import find_suite

    terminal, suite = Terminal(quiet=as_json), find_suite()
    suite.select(system)
    database = attach(suite, postgres)
    with terminal.bar("export", unit="rows") as bar:
        done = write(suite, database, folder, systems=system, tables=table or (), progress=bar.rows)
    terminal.show(_shown(done))
    if as_json:
        print_json(done)


def _shown(done: Export) -> object:
    from rich.markup import escape

    from pgvitals.report.wording import size
    from pgvitals.terminal import table

    rows = [
        (
            escape(each.file),
            f"{each.rows:,}",
            size(each.size_bytes),
            "" if each.loaded_rows in (None, each.rows) else f"[yellow]{each.loaded_rows:,} were loaded[/]",
        )
        for each in done.tables
    ]
    count, weight = sum(each.rows for each in done.tables), sum(each.size_bytes for each in done.tables)
    rows.append(("total", f"{count:,}", size(weight), f"[dim]{count / max(done.export_s, 0.001):,.0f} rows/s[/]"))
    headings = [("file", "left"), ("rows", "right"), ("size", "right"), ("", "left")]
    return table(f"Profile {done.profile}, seed {done.seed}", headings, rows)
