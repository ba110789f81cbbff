"""Ctrl-C at an awkward moment."""

from __future__ import annotations

import subprocess
import sys

COMMAND = """
import signal, time, typer
from pgvitals.cli import run_app

class Awkward:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)  # what is raised in here, Python prints and forgets

app = typer.Typer()

@app.command()
def work():
    Awkward()
    time.sleep(60)

run_app(app)
"""


def test_an_interrupt_that_python_drops_ends_the_command_all_the_same() -> None:
    done = subprocess.run([sys.executable, "-c", COMMAND], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 130
    assert done.stderr == "error: interrupted; nothing half-done was left behind\n"
