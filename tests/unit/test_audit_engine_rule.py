"""A rule about engines is declared like any other, and what its header may not say is refused alike."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pgvitals.audit.engine.rule import RULES, load_engine_rule
from pgvitals.errors import AuditError

NAME = "APP001_pool_without_limits"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a rule, to be spoilt."""
    return Path(shutil.copytree(RULES / NAME, tmp_path / NAME))


def test_a_rule_as_it_stands_is_read(folder: Path) -> None:
    rule = load_engine_rule(folder)
    assert (rule.id, rule.family, rule.method, rule.of_requests) == ("APP001", "APP", "probe", False)
    assert rule.answers


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("severity", "P9", "'severity' must be one of P0, P1, P2, P3, got 'P9'"),
        ("answers", "DB-4", "'answers' holds 'DB-4'; write for example DB-002; DB-007"),
        ("of_requests", "perhaps", "'of_requests' must be one of yes, no, got 'perhaps'"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(folder: Path, key: str, value: str, message: str) -> None:
    source = folder / "probe.py"
    kept = [line for line in source.read_text(encoding="utf-8").splitlines() if not line.startswith(f"# {key}:")]
    source.write_text("\n".join([f"# {key}: {value}", *kept]), encoding="utf-8")
    with pytest.raises(AuditError, match=r"probe\.py") as caught:
        load_engine_rule(folder)
    assert message in str(caught.value)


def test_a_rule_without_its_probe_is_refused_by_name(folder: Path) -> None:
    (folder / "probe.py").unlink()
    with pytest.raises(AuditError, match=NAME):
        load_engine_rule(folder)
