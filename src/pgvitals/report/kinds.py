"""One run, many reports: what kinds there are, and how they reach a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from pgvitals.errors import ReportError
from pgvitals.report.export import render_json
from pgvitals.report.junit import render_junit
from pgvitals.report.markdown import render_markdown
from pgvitals.report.sarif import render_sarif
from pgvitals.results.rundir import Run, load_run


class Renderer(Protocol):
    """Turns a run into the bytes of a report."""

    def __call__(self, run: Run, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of report: the name of its file, what makes it, and the part of a run ``of`` which it is."""

    filename: str
    render: Renderer
    of: str = ""

    def fits(self, run: Run) -> bool:
        """Whether the run has what the report is about."""
        return not self.of or getattr(run, self.of) is not None


def _html(run: Run) -> bytes:
    from pgvitals.report.html import render_html  # draws charts: matplotlib takes a second to import

    return render_html(run).encode("utf-8", "replace")


def _markdown(run: Run) -> bytes:
    return render_markdown(run).encode("utf-8", "replace")


def _json(run: Run) -> bytes:
    return render_json(run).encode("utf-8", "replace")


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "html": Kind("report.html", _html),
        "md": Kind("report.md", _markdown),
        "json": Kind("report.json", _json),
        "junit": Kind("junit.xml", render_junit),
        "sarif": Kind("audit.sarif", render_sarif, of="audit"),
    }
)


def render(run: Run, kind: str) -> bytes:
    """One report of a run.

    Raises:
        ReportError: there is no such kind, or the run has nothing for it.
    """
    if kind not in KINDS:
        raise ReportError(f"unknown kind of report {kind!r}; there are: {', '.join(KINDS)}")
    if not KINDS[kind].fits(run):
        raise ReportError(f"{run.path}: holds no {KINDS[kind].of}, so there is nothing to tell as {kind}")
    return KINDS[kind].render(run)


def write_reports(run_dir: Path, kinds: Iterable[str] | None = None, folder: Path | None = None) -> tuple[Path, ...]:
    """Write reports of the run in ``run_dir`` beside its files, or into ``folder``; returns their paths.

    Every report is rendered before the first is written. Without ``kinds``: all that the run has something for.

    Raises:
        ReportError: a kind is unknown, or a file cannot be written.
        ResultsError: ``run_dir`` holds no run that can be read.
    """
    run = load_run(run_dir)
    asked = [kind for kind in KINDS if KINDS[kind].fits(run)] if kinds is None else kinds
    rendered = {kind: render(run, kind) for kind in asked}
    target = folder or run_dir
    return tuple(write_whole(target / KINDS[kind].filename, content) for kind, content in rendered.items())


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file in one step: an older one stays until the new one is whole, a half-written one is deleted.

    Raises:
        ReportError: it cannot be written.
    """
    half = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        half = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        half.chmod(0o644)
        half.replace(path)
    except OSError as error:
        why = error.strerror or str(error)
        raise ReportError(f"{path}: cannot be written ({why}); free space or name another place") from None
    finally:
        if half is not None:
            half.unlink(missing_ok=True)
    return path
