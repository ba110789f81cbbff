"""Notebooks: committed clean, without logic of their own, and executed by kernels that nobody else can reach."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest

from pgvitals import notebooks
from pgvitals.errors import ReportError
from pgvitals.suite import find_suite

SUITE = find_suite(Path(__file__).parent)
FOLDER = SUITE.root / SUITE.config.notebooks
NAMES = [path.name for path in sorted(FOLDER.glob("*.ipynb"))]


def code_of(name: str) -> list[str]:
    """The code cells of a notebook."""
    return [cell.source for cell in nbformat.read(FOLDER / name, as_version=4).cells if cell.cell_type == "code"]


def write(folder: Path, name: str, *cells: str) -> None:
    """A notebook of these code cells."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(made, folder / name)


def test_there_are_notebooks() -> None:
    assert [path.name for path in notebooks.notebook_paths(FOLDER)] == NAMES
    assert NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_committed_without_outputs(name: str) -> None:
    notebook = nbformat.read(FOLDER / name, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
    assert not {"widgets", "toc", "vscode"} & notebook.metadata.keys()


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_calls_shows_and_explains_but_has_no_logic(name: str) -> None:
    logic = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While, ast.Try, ast.If)
    for source in code_of(name):
        found = [type(node).__name__ for node in ast.walk(ast.parse(source)) if isinstance(node, logic)]
        assert found == []
        assert "/" not in source.replace("/ 2**20", "").replace("/ 1e6", "").replace("/ each", "").replace(
            '"] / scanned', ""
        )


@pytest.mark.parametrize("name", NAMES)
def test_every_piece_of_code_stands_below_words(name: str) -> None:
    cells = nbformat.read(FOLDER / name, as_version=4).cells
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    assert sum(cell.cell_type == "markdown" for cell in cells) * 2 >= len(cells) - 2


EXECUTE = """
import json, sys
from pathlib import Path
from pgvitals import notebooks
from pgvitals.errors import ReportError
from pgvitals.results.rundir import RunWriter

folder, target = map(Path, sys.argv[1:])
told = []
try:
    with RunWriter(target) as writer:
        names = notebooks.execute(folder, writer, lambda done, total: told.append((done, total)))
        pages = {name: (writer.path / name).read_text() for name in names}
        print(json.dumps({"pages": pages, "told": told, "path": str(writer.path)}))
except ReportError as error:
    print(json.dumps({"error": str(error)}))
"""


class Executed:
    """Executes the notebooks of a folder in a process of their own, as the main job does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "notebooks"
        self.target = folder / "run"
        self.folder.mkdir()

    def __call__(self) -> dict[str, Any]:
        """What came of it; kernels that outlive it are a failure."""
        words = [sys.executable, "-c", EXECUTE, str(self.folder), str(self.target)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert "Traceback" not in err
        assert not [line for line in running() if str(self.folder) in line or f"kernel-{process.pid}" in line]
        assert [path.name for path in self.target.parent.iterdir()] == ["notebooks"]  # the run was not committed
        return json.loads(out)


def running() -> list[str]:
    """Command lines and working directories of all processes."""
    found = []
    for process in psutil.process_iter():
        try:
            found.append(f"{' '.join(process.cmdline())} {process.cwd()}")
        except psutil.Error:
            continue
    return found


@pytest.fixture
def executed(tmp_path: Path) -> Executed:
    """A folder for notebooks."""
    return Executed(tmp_path)


def test_notebooks_are_executed_on_the_run_and_kept_as_pages(executed: Executed) -> None:
    write(
        executed.folder,
        "b.ipynb",
        "import os\nfrom ipykernel.connect import get_connection_info",
        "print('run:', os.environ['PGVITALS_RUN'], 'here:', os.getcwd())",
        "print(get_connection_info())",
    )
    write(executed.folder, "a.ipynb", "'an answer of ' + str(6 * 7)")
    done = executed()
    pages = done["pages"]
    assert list(pages) == ["notebooks/a.html", "notebooks/b.html"]
    assert done["told"] == [[1, 2], [2, 2]]
    assert "an answer of 42" in pages["notebooks/a.html"]
    assert f"run: {done['path']} here: {executed.folder}" in pages["notebooks/b.html"]
    shown = pages["notebooks/b.html"].partition("<body")[2]
    assert "ipc" in shown  # the kernel listens on a socket file, not on a port
    assert "tcp" not in shown


def test_a_failing_cell_names_notebook_and_error_and_stops_the_others(executed: Executed) -> None:
    write(executed.folder, "bad.ipynb", "x = {}", "x['missing']")
    write(executed.folder, "slow.ipynb", "import time", "time.sleep(600)")
    write(executed.folder, "waiting.ipynb", "import time", "time.sleep(600)")
    path = executed.folder / "bad.ipynb"
    assert executed() == {"error": f"{path}: a cell fails: KeyError: 'missing'"}


def test_a_notebook_that_is_none_is_named(executed: Executed) -> None:
    (executed.folder / "odd.ipynb").write_text("not a notebook")
    assert str(executed.folder / "odd.ipynb") in executed()["error"]


def test_a_folder_without_notebooks_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="there are no notebooks"):
        notebooks.notebook_paths(tmp_path)
