"""GitHub workflow commands: one annotation for each lookup that is not a pass, at its query file.

Format and escaping as documented by GitHub ("Workflow commands for GitHub Actions"): in a message %, CR and LF are
escaped, in a property also : and ",". GitHub shows ten annotations of a kind for a step: what fails comes first.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pgvitals.report.comparison_review import regressions_first
from pgvitals.report.verdict import headline, worst_first
from pgvitals.report.wording import printable
from pgvitals.results.comparison import Regression, RegressionGate
from pgvitals.results.outcome import EXIT_CODES, Outcome
from pgvitals.results.records import Gate, Latency
from pgvitals.results.tenants import tenant_verdicts
from pgvitals.suite import Suite


def workflow_commands(gate: Gate, regression: RegressionGate | None, files: Mapping[str, str]) -> list[str]:
    """A line each, to print on stdout; the budgets first, then what grew against the baseline.

    Args:
        files: ``system/query`` -> its file, relative to the root of the repository; one that is gone has none.
    """
    loud: list[tuple[Latency | Regression, Outcome, str, str]] = []
    loud += [(each, each.outcome, each.reason, "budget") for each in worst_first(gate).queries]
    loud += [
        (each.lookup, each.outcome, each.tenant.reason, f"budget for the {each.tenant.tenant} tenant")
        for each in tenant_verdicts(gate.queries)
    ]
    if regression:
        about = f"against {regression.before}"
        loud += [(each, each.outcome, each.reason, about) for each in regressions_first(regression.queries)]
    return [
        _command(outcome, files.get(key := f"{of.system}/{of.query}"), f"{key}: {outcome.value} ({about})", reason)
        for of, outcome, reason, about in loud
        if EXIT_CODES[outcome]
    ]


def query_files(suite: Suite, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """``system/query`` -> its file relative to the root of the repository."""
    root = repository_root(suite.root, environment)
    paths = {query.key: query.path.resolve() for query in suite.queries}
    return {key: path.relative_to(root).as_posix() for key, path in paths.items() if path.is_relative_to(root)}


def repository_root(start: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """What annotations are relative to: the checkout of the workflow, else the nearest folder with a ``.git``."""
    start = start.resolve()
    workspace = environment.get("GITHUB_WORKSPACE")
    if workspace and start.is_relative_to(Path(workspace).resolve()):
        return Path(workspace).resolve()
    return next((folder for folder in (start, *start.parents) if (folder / ".git").exists()), start)


def _command(outcome: Outcome, file: str | None, title: str, message: str) -> str:
    level = "warning" if outcome is Outcome.INCONCLUSIVE else "error"
    properties = {**({"file": file, "line": "1"} if file else {}), "title": title}
    told = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{level} {told}::{_data(message or headline(outcome))}"


def _data(text: str) -> str:
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
