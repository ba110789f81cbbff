"""Commands that fill a lab with rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pgvitals.commands.options import (
    JsonOption,
    NewProfileOption,
    PostgresOption,
    SeedOption,
    SystemOption,
    finish,
    make_request,
    print_json,
)
from pgvitals.terminal import Terminal

if TYPE_CHECKING:
    from pgvitals.dataset.load import FillWith
    from pgvitals.lab import Database
    from pgvitals.request import Request
    from pgvitals.results.records import Dataset


def load(
    profile: NewProfileOption = None,
    system: SystemOption = None,
    postgres: PostgresOption = "auto",
    seed: SeedOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Empty the tables first if they hold rows.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", min=1, max=64, help="Processes that load. Default: one for each core, if that pays."),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option("--shard", metavar="K/N", help="Load only the K-th of N shares; other machines load the others."),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            "--dask",
            metavar="ADDRESS",
            help="Load on the workers of a Dask scheduler (tcp://host:port), or of a `local` one of --jobs processes.",
        ),
    ] = None,
    no_reuse: Annotated[
        bool,
        typer.Option(
            "--no-reuse", help="Load really: clone no kept dataset, and keep none. So do --jobs, --shard and --dask."
        ),
    ] = False,
    describe: Annotated[
        bool, typer.Option("--describe", help="Then check what the recipes claim about the rows, and show them.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Migrate the lab database to the newest revisions and fill it.

    A dataset that is kept from before is cloned into an empty lab, and with --fresh into any (`pgvitals status` lists
    them). A load that was interrupted, or killed, goes on where it was.
    """
    from pgvitals import filling
    from pgvitals.dataset import declared
    from pgvitals.dataset.parts import parse_shard
    from pgvitals.lab import attach

    terminal = Terminal(quiet=as_json)
    share = parse_shard(shard) if shard else None
    request = make_request(terminal, profile, system, postgres, seed, None)
    if describe:
        declared.check(request.suite, request.systems)
    database = attach(request.suite, postgres)
    try:
        with _crew(dask, jobs, terminal) as fill_with:
            dataset = filling.fill_shard(
                request.suite,
                database,
                request.profile,
                request.systems,
                terminal,
                seed=request.seed,
                fresh=fresh,
                jobs=jobs,
                shard=share,
                use_kept=not no_reuse and jobs is None and dask is None,
                fill_with=fill_with,
            )
    except KeyboardInterrupt:
        raise filling.interrupted(request.suite, database) from None
    if dataset is not None:
        from pgvitals import tables  # and pandas with it, whose memory the load does without

        terminal.show(tables.dataset_table(dataset))
    if describe and dataset is not None:
        _describe(request, database, dataset, terminal, as_json=as_json)
    elif as_json:
        print_json(dataset)


@contextmanager
def _crew(dask: str | None, jobs: int | None, terminal: Terminal) -> Iterator[FillWith | None]:
    """Workers on Dask for the time of the block, if they are asked for."""
    if dask is None:
        yield None
        return
    from pgvitals.dataset.on_dask import LOCAL, DaskCrew

    with ExitStack() as stack:
        with terminal.step("start a Dask cluster" if dask == LOCAL else f"connect to the Dask scheduler {dask}"):
            crew = stack.enter_context(DaskCrew(dask, workers=jobs))
        yield crew.fill


def _describe(request: Request, database: Database, dataset: Dataset, terminal: Terminal, *, as_json: bool) -> NoReturn:
    """What the rows look like, and whether they are what the recipes claim: exit code 1 if they are not."""
    from pgvitals import dataset_tables
    from pgvitals.dataset.describe import describe
    from pgvitals.report.fact_review import facts_outcome

    with terminal.bar("facts", unit="facts") as bar:
        found = describe(
            request.suite, database, request.profile, request.systems, seed=request.seed, progress=bar.batches
        )
    if not found.facts:
        terminal.say("no facts are declared (facts/*.sql in a system's folder)")
    for each in dataset_tables.description_tables(found):
        terminal.show("")
        terminal.show(each)
    if as_json:
        print_json({"dataset": dataset, **found.plain()})
    finish(facts_outcome(found.facts))
