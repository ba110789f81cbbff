"""The audit of every revision: what all rules together say is what each says alone, and one broken rule stops none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest

from pgvitals.audit.rule import load_rules, select_rules
from pgvitals.audit.run import asking
from pgvitals.audit_history import Told, ask_together, audit_history
from pgvitals.lab import Database, Server
from pgvitals.results.outcome import Outcome
from pgvitals.suite import Suite

REVISIONS = ["practice_0001", "20250106_1200_schema_cleanup_audit", "practice_hardening"]
RULES = [rule for rule in load_rules() if rule.probe is None and not rule.of_server]


@pytest.fixture(scope="module")
def history(suite: Suite, server: Server) -> pd.DataFrame:
    """The story of practice, with a rule that cannot be asked from the start and one for servers of the future."""
    keys = select_rules(RULES, ["KEY005"])
    broken = replace(keys[0], id="KEY998", sql="select 'x' as object from nowhere")
    future = replace(keys[0], id="KEY999", min_version=99)
    return audit_history(suite, server, [suite.system("practice")], [*keys, broken, future])


def of(history: pd.DataFrame, rule: str) -> list[tuple[str, int]]:
    """Outcome and violations of a rule, revision by revision."""
    own = history[history["rule"] == rule].sort_values("place")
    return list(zip(own["outcome"], own["violations"], strict=True))


def test_every_rule_answers_at_every_revision_in_order(history: pd.DataFrame) -> None:
    assert list(history.columns) == list(Told.__dataclass_fields__)
    for _, own in history.groupby("rule"):
        assert own["revision"].tolist() == REVISIONS


def test_a_promise_that_comes_true_is_seen_to_do_so(history: pd.DataFrame) -> None:
    outcomes = of(history, "KEY005")
    assert [outcome for outcome, _ in outcomes] == ["fail", "fail", "pass"]
    assert outcomes[0][1] > outcomes[1][1] > outcomes[2][1] == 0


def test_a_rule_that_breaks_is_an_error_and_the_others_still_answer(history: pd.DataFrame) -> None:
    assert of(history, "KEY998") == [("error", 0)] * 3


def test_a_rule_for_a_newer_server_has_nothing_to_look_at(history: pd.DataFrame) -> None:
    assert of(history, "KEY999") == [("not_applicable", 0)] * 3


def test_all_rules_in_one_statement_say_what_each_says_alone(
    suite: Suite, database_at: Callable[[str], Database]
) -> None:
    database, system = database_at("practice_0001"), suite.system("practice")
    with database.connect() as conn:
        together = {each.rule: (each.outcome, len(each.findings)) for each in ask_together(conn, system, RULES)}
    with asking(database.connect) as ask:
        alone = {rule.id: ask(rule, system) for rule in RULES}
    assert together == {rule: (each.outcome, len(each.findings)) for rule, each in alone.items()}
    assert {outcome for outcome, _ in together.values()} == {Outcome.PASS, Outcome.FAIL, Outcome.NOT_APPLICABLE}
