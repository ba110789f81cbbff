"""What the audit prints, pasted: before its hardening a system passes where SQL can help, and its users go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pytest

from pgvitals.audit import audit, load_rules
from pgvitals.audit.trial import statements
from pgvitals.errors import MeasureError
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import downgrade
from pgvitals.measure.runner import Runner
from pgvitals.measure.task import Task, make_tasks
from pgvitals.query import Query
from pgvitals.results.audit import RuleResult
from pgvitals.results.outcome import Outcome
from pgvitals.revisions import queries_at
from pgvitals.suite import Suite
from pgvitals.system import System

RULES = [rule for rule in load_rules() if not rule.of_server]
BEFORE = {"pazpaz": "92df859932f2", "practice": "20250106_1200_schema_cleanup_audit", "portal": "ec20df1795df"}
FOR_PEOPLE = {
    "pazpaz": {"AUD001", "AUD020", "CON006", "ENC001"},
    "practice": {"CON006", "CON020"},
    "portal": {"CON006"},
}
"""What takes more than SQL: the words of a status, a trigger function, encryption, the meaning of a check."""
SAW_OTHER_TENANTS = {"locations_by_geography"}
PASTES = 4


@dataclass(frozen=True)
class Story:
    """The audit and the application's requests, before and after what was printed was pasted."""

    before: Mapping[str, RuleResult]
    after: Mapping[str, RuleResult]
    rows_before: Mapping[tuple[str, int], int]
    rows_after: Mapping[tuple[str, int], int]


@pytest.fixture(scope="module", params=sorted(BEFORE))
def system(request: pytest.FixtureRequest, suite: Suite) -> System:
    return suite.system(request.param)


@pytest.fixture(scope="module")
def story(server: Server, suite: Suite, loaded: Database, system: System) -> Story:
    with server.scratch("remedied", loaded) as copy:
        downgrade(suite, copy, BEFORE[system.name])
        queries = queries_at(suite, copy, [system]).queries
        tasks = [task for query in queries for task in drawn(suite, copy, query)]
        assert len(tasks) >= 0.9 * len(queries)
        rows_before = rows_of(copy, system, tasks)
        before = after = results_of(copy, system)
        for _ in range(PASTES):
            if not (printed := statements_of(after)):
                break
            with copy.connect() as conn:
                for statement in printed:
                    conn.execute(statement)
            after = results_of(copy, system)
        return Story(before=before, after=after, rows_before=rows_before, rows_after=rows_of(copy, system, tasks))


def drawn(suite: Suite, database: Database, query: Query) -> Sequence[Task]:
    """The query with parameters; none where these few rows give it none."""
    with suppress(MeasureError):
        return make_tasks(database, [query], suite.systems, parameter_sets=5, seed=7, ranked=False)
    return ()


def results_of(database: Database, system: System) -> dict[str, RuleResult]:
    """Rule -> what it says."""
    return {result.rule: result for result in audit(database.connect, [system], rules=RULES).results}


def statements_of(results: Mapping[str, RuleResult]) -> list[str]:
    """Every statement that the findings print, once, in their order."""
    texts = [found.remediation for each in results.values() for found in each.findings]
    return list(dict.fromkeys(statement for text in texts for statement in statements(text)))


def rows_of(database: Database, system: System, tasks: Sequence[Task]) -> dict[tuple[str, int], int]:
    """(query, number) -> rows of the request, read or written, as the application."""
    with Runner(database, system.roles.app) as app:
        return {(task.query.name, n): app.send(call) for task in tasks for n, call in enumerate(task.calls)}


def failing(results: Mapping[str, RuleResult]) -> set[str]:
    return {rule for rule, result in results.items() if result.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)}


def test_what_sql_can_cure_is_cured_and_the_rest_is_for_people(story: Story, system: System) -> None:
    assert failing(story.after) == FOR_PEOPLE[system.name]
    assert len(failing(story.before)) >= len(failing(story.after)) + 10


def test_of_what_is_for_people_no_statement_is_printed(story: Story, system: System) -> None:
    printed = [found.remediation for rule in FOR_PEOPLE[system.name] for found in story.after[rule].findings]
    assert [text for text in printed if statements(text)] == []
    assert all(printed)


def test_the_application_reads_and_writes_as_before(story: Story) -> None:
    changed = {key for key, rows in story.rows_before.items() if story.rows_after[key] != rows}
    assert {name for name, _ in changed} <= SAW_OTHER_TENANTS
    assert all(story.rows_after[key] < story.rows_before[key] for key in changed)
    assert any(story.rows_before.values())
