"""pgvitals: the lab in which a PostgreSQL schema proves itself before it ships.

In a notebook: ``run = pgvitals.load_run("latest")``, then ``run.gate``, ``run.samples``, ``run.index_usage``;
``pgvitals.facts_about(run, "overlap")`` is what is claimed of its rows and holds, or does not;
``pgvitals.ask("select …")`` asks the lab that is up.
"""

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

from pgvitals.errors import PgvitalsError

if TYPE_CHECKING:
    from pgvitals.explore import ask, facts_about, load_run, show_broken_facts, show_facts
    from pgvitals.explore_audit import audit_tally, show_checklist, show_findings
    from pgvitals.results.rundir import Run

__version__ = _version("pgvitals")

__all__ = [
    "PgvitalsError",
    "Run",
    "__version__",
    "ask",
    "audit_tally",
    "facts_about",
    "load_run",
    "show_broken_facts",
    "show_checklist",
    "show_facts",
    "show_findings",
]

_HOMES = {
    "Run": "pgvitals.results.rundir",
    **dict.fromkeys(("audit_tally", "show_checklist", "show_findings"), "pgvitals.explore_audit"),
    **dict.fromkeys(("ask", "facts_about", "load_run", "show_broken_facts", "show_facts"), "pgvitals.explore"),
}


def __getattr__(name: str) -> Any:
    """Load pandas and the rest when they are asked for: `pgvitals --help` should not wait for them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pgvitals' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
