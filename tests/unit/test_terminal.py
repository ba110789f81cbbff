"""What a person sees: results on stdout, progress and errors on stderr, one line each."""

from __future__ import annotations

import json

import pytest
import typer

from pgvitals.commands.options import finish, print_json
from pgvitals.dataset.progress import Step
from pgvitals.results.outcome import EXIT_CODES, Outcome
from pgvitals.results.records import Interval
from pgvitals.terminal import Terminal, table

LONG = "a long word " * 40


def test_results_go_to_stdout_and_progress_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.say("news")
    with terminal.step("a step"):
        pass
    with terminal.bar("a bar") as bar:
        bar.batches(1, 2)
        bar.rows(Step(system="s", phase="rows", item="[t]", rows_done=1, rows_total=2))
    terminal.line("plain")
    terminal.show("[green]word[/]")
    out, err = capsys.readouterr()
    assert out == "plain\nword\n"
    said = err.splitlines()
    assert said[0] == "· news"
    assert [line.rsplit(" ", 2)[0] for line in said[1:]] == ["✓ a step", "✓ a bar"]


def test_a_quiet_terminal_leaves_stdout_to_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(quiet=True)
    terminal.line("plain")
    terminal.show(table("title", [("a", "left")], [("b",)]))
    terminal.error("wrong")
    print_json({"interval": Interval(low=1.0, high=2.0, confidence=0.99), "outcome": Outcome.PASS})
    out, err = capsys.readouterr()
    assert json.loads(out) == {"interval": {"low": 1.0, "high": 2.0, "confidence": 0.99}, "outcome": "pass"}
    assert err == "error: wrong\n"


def test_an_error_is_one_line_as_it_was_written(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().error(f"[bold]{LONG}\n  DETAIL: [/] second line")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"error: [bold]{' '.join(LONG.split())} DETAIL: [/] second line\n"


def test_nothing_is_wrapped_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.line(LONG)
    terminal.show(LONG)
    terminal.say(LONG)
    with terminal.step(LONG):
        pass
    out, err = capsys.readouterr()
    assert out.splitlines() == [LONG, LONG]
    assert len(err.splitlines()) == 2


def test_a_step_that_fails_is_not_ticked_off(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    for work in (terminal.step, terminal.bar):
        with pytest.raises(KeyboardInterrupt), work("never done"):
            raise KeyboardInterrupt
    assert "✓" not in capsys.readouterr().err


def test_a_title_keeps_its_line_above_a_narrow_table(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().show(table("a title of some [length] above", [("a", "left")], [("b",)]))
    assert capsys.readouterr().out.splitlines()[0].rstrip() == "a title of some [length] above"


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.PASS, 0),
        (Outcome.WAIVED, 0),
        (Outcome.NOT_APPLICABLE, 0),
        (Outcome.FAIL, 1),
        (Outcome.ERROR, 2),
        (Outcome.INCONCLUSIVE, 3),
    ],
)
def test_an_outcome_ends_a_command_with_its_exit_code(outcome: Outcome, code: int) -> None:
    with pytest.raises(typer.Exit) as ended:
        finish(outcome)
    assert ended.value.exit_code == code
    assert EXIT_CODES.keys() == set(Outcome)
