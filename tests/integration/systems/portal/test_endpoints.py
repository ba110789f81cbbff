"""The portal's requests as the audit makes them: as many statements for ten patients as for one, one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from pgvitals.audit.engine import Target, ask_engine, load_engine_rules
from pgvitals.audit.engine.target import url_of
from pgvitals.lab import Database
from pgvitals.results.audit import RuleResult
from pgvitals.results.outcome import Outcome
from pgvitals.suite import Suite, load_module

RULES = [rule for rule in load_engine_rules() if rule.of_requests]


@pytest.fixture(scope="module")
def endpoints(suite: Suite) -> Any:
    """The module under test."""
    return load_module(suite.system("portal").folder / "endpoints.py", "portal_endpoints")


@pytest.fixture
def ask(database_at: Callable[[str], Database], endpoints: Any) -> Callable[..., dict[str, RuleResult]]:
    """What the rules about requests say of some, on a portal of their own."""
    url = url_of(database_at("portal@head"), "portal_app")

    def asked(*requests: Callable[[AsyncEngine, int], Any]) -> dict[str, RuleResult]:
        target = Target(name="engine", found=endpoints.engines.make_engine)
        named = {request.__name__: request for request in requests}
        return {each.rule: each for each in ask_engine(target, url, system="portal", rules=RULES, requests=named)}

    return asked


def test_the_requests_send_no_query_for_every_row_and_commit_once(
    ask: Callable[..., dict[str, RuleResult]], endpoints: Any
) -> None:
    for result in ask(*endpoints.REQUESTS).values():
        assert result.outcome is Outcome.PASS, (result.evidence, result.findings)


def test_lazily_loaded_contacts_and_a_commit_between_writes_are_found(
    ask: Callable[..., dict[str, RuleResult]], endpoints: Any
) -> None:
    async def lazily(engine: AsyncEngine, rows: int) -> None:
        organization = await endpoints._organization(engine, rows)
        async with endpoints.engines.session_for(engine, organization) as session:
            for patient in await session.scalars(sa.select(endpoints.models.Patient).limit(rows)):
                await session.refresh(patient, ["contact_methods"])

    async def in_pieces(engine: AsyncEngine, rows: int) -> None:
        for _ in range(rows):
            await endpoints.sign_up(engine, 1)

    found = ask(lazily, in_pieces)
    assert [finding.objects for finding in found["APP005"].findings] == [("lazily",), ("in_pieces",)]
    assert found["APP005"].findings[0].detail == "sends 4 statements for 1 row and 22 for 10"
    assert [finding.objects for finding in found["APP006"].findings] == [("in_pieces",)]
