"""A rule about an engine: a folder ``APP<number>_<slug>`` with ``probe.py``, ``bad.py`` and ``good.py``.

``probe.py`` opens with a header like any other rule's and has ``async def probe(application)``. ``bad.py`` and
``good.py`` each make an engine (``make_engine(url)``) by which the rule fires once and is silent; where the rule is
about requests, they have ``REQUESTS``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pgvitals.audit.declared import Declared, Looked, read_declaration, switch
from pgvitals.errors import AuditError
from pgvitals.suite import load_module

if TYPE_CHECKING:
    from pgvitals.audit.engine.ask import Application

RULES = Path(__file__).parent / "rules"

EngineProbe = Callable[["Application"], Awaitable[Looked]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRule(Declared):
    """One rule as its folder declares it; one ``of_requests`` looks at what the application's requests send."""

    of_requests: bool
    probe: EngineProbe


@cache
def load_engine_rules() -> tuple[EngineRule, ...]:
    """Every rule about engines, by id.

    Raises:
        AuditError: a folder is malformed; the message names the file and the key.
    """
    return tuple(load_engine_rule(path) for path in sorted(RULES.glob("APP*")))


def load_engine_rule(folder: Path) -> EngineRule:
    """Read one rule's folder.

    Raises:
        AuditError: its name, a file or a header key is wrong.
    """
    source = folder / "probe.py"
    declaration, header, _ = read_declaration(folder, source, optional=("of_requests",))
    probe = getattr(load_module(source, f"engine_rule_{declaration['id']}"), "probe", None)
    if not callable(probe):
        raise AuditError(f"{source}: defines no function 'async def probe(application)'")
    return EngineRule(**declaration, of_requests=switch(source, header, "of_requests"), probe=probe)
