"""What a system declares about its rows: facts with an expectation, pictures for charts, and terms they share.

``<system>/facts/<name>.sql`` is a fact, ``facts/pictures/<name>.sql`` a picture, ``facts/terms/<name>.sql`` a
common table expression that the others name with ``-- with:``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pgvitals import header as headers
from pgvitals.dataset.expectation import Expectation, parse_expectation
from pgvitals.errors import FactError
from pgvitals.suite import Suite
from pgvitals.system import System

PARAMETERS = ("as_of", "zipf", "seed")
_FACT = ("title", "about", "expect", "unit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A statement whose rows a chart shows; ``sql`` is whole, with its terms in front."""

    name: str
    system: str
    path: Path
    title: str
    sql: str
    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredFact(Picture):
    """A statement that returns one row, ``value`` and ``n``, and what the value should be.

    ``about`` is the claim that it checks; with fewer than ``at_least`` things (``n``) it is not applicable.
    """

    about: str
    unit: str
    expect: Expectation
    at_least: int


def facts_of(suite: Suite, systems: Iterable[System]) -> tuple[DeclaredFact, ...]:
    """The facts of these systems, by system and name.

    Raises:
        FactError: a file has a bad header, or names a term, parameter or revision that there is not.
    """
    found = tuple(load_fact(path, system) for system in systems for path in _files(system))
    _check_revisions(suite, found)
    return found


def pictures_of(suite: Suite, systems: Iterable[System]) -> tuple[Picture, ...]:
    """The pictures of these systems, by system and name.

    Raises:
        FactError: as for facts.
    """
    found = tuple(load_picture(path, system) for system in systems for path in _files(system, "pictures"))
    _check_revisions(suite, found)
    return found


def check(suite: Suite, systems: Iterable[System]) -> None:
    """Read everything that is declared, so that a broken file is found before a server starts.

    Raises:
        FactError: as for facts.
    """
    chosen = tuple(systems)
    facts_of(suite, chosen)
    pictures_of(suite, chosen)


def load_fact(path: Path, system: System) -> DeclaredFact:
    """Read one fact.

    Raises:
        FactError: its header is bad, or it names a term or parameter that there is not.
    """
    header, sql = headers.read_statement(path, _FACT, ("at_least", "with", "since", "until", "note"), FactError)
    try:
        expect = parse_expectation(header["expect"])
    except FactError as error:
        raise FactError(f"{path}: {error}") from None
    return DeclaredFact(
        name=path.stem,
        system=system.name,
        path=path,
        title=header["title"],
        sql=_whole(path, system, "value::float8, n::bigint", sql, header.get("with", "")),
        since=headers.revision(path, header, "since", FactError),
        until=headers.revision(path, header, "until", FactError),
        about=header["about"],
        unit=header["unit"],
        expect=expect,
        at_least=_count(path, header.get("at_least", "1")),
    )


def load_picture(path: Path, system: System) -> Picture:
    """Read one picture.

    Raises:
        FactError: its header is bad, or it names a term or parameter that there is not.
    """
    header, sql = headers.read_statement(path, ("title",), ("with", "since", "until", "note"), FactError)
    return Picture(
        name=path.stem,
        system=system.name,
        path=path,
        title=header["title"],
        sql=_whole(path, system, "*", sql, header.get("with", "")),
        since=headers.revision(path, header, "since", FactError),
        until=headers.revision(path, header, "until", FactError),
    )


def _files(system: System, folder: str = "") -> list[Path]:
    return sorted((system.folder / "facts" / folder).glob("*.sql"))


def _whole(path: Path, system: System, columns: str, sql: str, named: str) -> str:
    """The statement with the terms that it names, and those that they name, in front."""
    terms: dict[str, str] = {}
    for name, text in _terms(path, system, named, ()):
        terms[name] = f"{name} as (\n{text}\n)"
    unknown = [name for text in (sql, *terms.values()) for name in headers.parameters(text) if name not in PARAMETERS]
    if unknown:
        raise FactError(f"{path}: unknown parameter {unknown[0]!r}; there are: {', '.join(PARAMETERS)}")
    opening = "with " + ",\n".join(terms.values()) + "\n" if terms else ""
    return f"{opening}select {columns} from (\n{sql}\n) as answer"  # noqa: S608  (the suite's own files)


def _terms(path: Path, system: System, named: str, above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    folder = system.folder / "facts" / "terms"
    for name in filter(None, (word.strip() for word in named.split(","))):
        term = folder / f"{name}.sql"
        if not name.isidentifier() or not term.is_file():
            known = ", ".join(sorted(each.stem for each in folder.glob("*.sql"))) or "none"
            raise FactError(f"{path}: 'with' names {name!r}, which is no file in {folder}; there are: {known}")
        if name in above:
            raise FactError(f"{path}: term {name!r} needs itself: {' -> '.join((*above, name))}")
        header, text = headers.read_statement(term, ("title",), ("with", "note"), FactError)
        yield from _terms(term, system, header.get("with", ""), (*above, name))
        yield name, text


def _count(path: Path, value: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value) < 1:
        raise FactError(f"{path}: 'at_least' must be a whole number from 1 on, got {value!r}")
    return int(value)


def _check_revisions(suite: Suite, declared: Iterable[Picture]) -> None:
    for each in declared:
        if each.since or each.until:
            suite.branches.check(each, FactError)
