"""Executes the suite's notebooks on a run directory and keeps them as HTML."""

from __future__ import annotations

import atexit
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgvitals.errors import ReportError
from pgvitals.results.rundir import RunWriter

if TYPE_CHECKING:
    from nbclient import NotebookClient

_TIMEOUT_S = 300


def notebook_paths(folder: Path) -> list[Path]:
    """The notebooks of a suite, in order.

    Raises:
        ReportError: there is none.
    """
    paths = sorted(folder.glob("*.ipynb"))
    if not paths:
        raise ReportError(f"{folder}: there are no notebooks (*.ipynb) here")
    return paths


def execute(folder: Path, writer: RunWriter, progress: Callable[[int, int], None] | None = None) -> tuple[str, ...]:
    """Run every notebook of ``folder`` on the run being written; HTML goes to its ``notebooks/``.

    Raises:
        ReportError: a cell fails (the message names notebook and error), or nbclient is not installed.
    """
    try:
        import nbclient  # noqa: F401
        import nbconvert  # noqa: F401
    except ImportError:
        raise ReportError("notebooks need `pip install 'pgvitals[notebooks]'`, or --skip notebooks") from None
    paths = notebook_paths(folder)
    environment = {**os.environ, "PGVITALS_RUN": str(writer.path)}
    clients: list[NotebookClient] = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        pages = []
        pending = [pool.submit(_render, path, environment, clients) for path in paths]
        try:
            for number, future in enumerate(pending, start=1):
                pages.append(future.result())
                if progress:
                    progress(number, len(paths))
        except BaseException:
            _give_up(pending, clients)
            raise
    names = tuple(f"notebooks/{path.stem}.html" for path in paths)
    for name, page in zip(names, pages, strict=True):
        writer.write_bytes(name, page.encode())
    return names


def _give_up(pending: Sequence[Future[str]], clients: Sequence[NotebookClient]) -> None:
    """Nobody waits for the other notebooks, nor for the time limit of a cell: end their kernels."""
    for page in pending:
        page.cancel()
    while not all(page.done() for page in pending):
        for client in list(clients):
            process = getattr(getattr(client.km, "provisioner", None), "process", None)
            if process is not None and process.poll() is None:
                process.kill()
        time.sleep(0.05)


def _render(path: Path, environment: dict[str, str], clients: list[NotebookClient]) -> str:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    try:
        notebook: Any = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, nbformat.ValidationError) as error:
        raise ReportError(f"{path}: cannot be read as a notebook: {type(error).__name__}: {error}") from None
    with tempfile.TemporaryDirectory(prefix="pgvitals-", dir="/tmp") as sockets:
        # Sockets in a private directory, not TCP ports that anybody on the machine may connect to.
        config = Config(KernelManager={"transport": "ipc", "ip": f"{sockets}/kernel"})
        client = NotebookClient(
            notebook,
            config=config,
            kernel_name="python3",
            timeout=_TIMEOUT_S,
            resources={"metadata": {"path": str(path.parent)}},
        )
        clients.append(client)
        try:
            client.execute(env=environment)
        except CellExecutionError as error:
            raise ReportError(f"{path}: a cell fails: {error.ename}: {error.evalue}") from None
        except Exception as error:
            raise ReportError(f"{path}: cannot be executed: {type(error).__name__}: {error}") from error
        finally:
            # A kernel that dies while it starts leaves nbclient's exit hook behind, which then fails.
            atexit.unregister(client._cleanup_kernel)
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        require_js_url="",  # a page loads nothing from elsewhere
        mathjax_url="",
        mermaid_js_url="",
    )
    page, _ = exporter.from_notebook_node(notebook)
    return str(page)
