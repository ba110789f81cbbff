"""``docs/rules``: one page a rule, written from its header and from what it really says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from pgvitals.audit.coverage import coverage_page
from pgvitals.audit.engine import EngineRule, load_engine_rules
from pgvitals.audit.engine.docs import engine_pages
from pgvitals.audit.engine.target import make_url
from pgvitals.audit.page import fenced, page_head
from pgvitals.audit.rule import Rule, load_rules
from pgvitals.audit.trial import Trial, trying
from pgvitals.errors import AuditError
from pgvitals.lab import Database
from pgvitals.results.audit import Finding

_NEW_RULE = """\
## A new rule

A rule is a folder `src/pgvitals/audit/rules/<ID>_<slug>`; adding one edits no existing file.

- `rule.sql`: a header of `-- key: value` lines (title, severity, why, remediation, subject, promise, checked;
  at least one of answers, hipaa and cis; if need be min_version), then one query. It returns violations only, as the
  columns `object`, `detail` and `remediation`: a quoted name, the evidence without any row's values, and
  SQL that can be pasted, one statement a line. It may use what `vocabulary/` names (the tables, columns,
  keys, indexes, policies, functions and triggers of the schema) and the policy of `system.toml` as `%(schema)s`,
  `%(tenant_column)s` and so on; any other `%` is a plain `%`. `checked` is a query of one row: the
  count `checked` of what was looked at, and if need be `note` and `not_applicable`, texts or null. `of_server: yes`
  asks it once, of the server; `of_lab: no` leaves it out where the server is only there to be measured on.
- or `probe.py`, where one query cannot tell: the same header in `#` lines (without checked), then
  `probe(connection, system)`, which returns a `Looked`. `writes: yes` (it tries, and is rolled back) and
  `reads_rows: yes` keep it to databases of ours.
- `bad.sql` makes it fire exactly once in the schema `rule_test`; `good.sql`, run after it, silences it.
- `cases.sql`: more defects, each `-- defect: title` over a script for the empty schema, with `-- cure` after it where
  what is printed is no SQL; and what only looks like one, `-- lookalike: title`. `-- given` comes before each of them.
- `terms.sql`, if both queries share common table expressions; `policy.toml`, if bad and good need other
  keys of `system.toml` than the defaults.

`make audit-selftest` then injects each defect, looks for it, runs the printed remediation, and asks every
other rule about the cured schema.
"""


def generate(
    database: Database,
    target: Path,
    *,
    check: bool = False,
    rules: Sequence[Rule] | None = None,
    tried: Callable[[Rule], Trial] | None = None,
) -> tuple[str, ...]:
    """Write the pages into ``target``; pages of rules that are gone are removed.

    Args:
        database: one of ours, in which the rules are tried.
        check: change nothing, only tell.
        rules: the pages of these alone; all there are, those about engines and the coverage too, if None.
        tried: the trial of a rule, where that was made already.

    Returns:
        The names of the files that were (with ``check``: would be) written or removed.

    Raises:
        AuditError: a rule does not find its own defect, or the folder cannot be written.
    """
    asked = load_rules() if rules is None else tuple(rules)
    with trying(database) as attempt:
        trials = [tried(rule) if tried else attempt(rule, cases=False) for rule in asked]
    pages = {f"{trial.rule.id}.md": _page(trial) for trial in trials}
    if rules is None:
        of_engine = load_engine_rules()
        pages |= engine_pages(make_url(conninfo_to_dict(database.conninfo())))
        pages |= {"coverage.md": coverage_page([*asked, *of_engine]), "README.md": _index([*asked, *of_engine])}
    else:
        pages["README.md"] = _index(asked)
    try:
        present = {path.name: path.read_text(encoding="utf-8") for path in target.glob("*.md")}
        drifted = sorted(name for name in {*pages, *present} if pages.get(name) != present.get(name))
        if drifted and not check:
            target.mkdir(parents=True, exist_ok=True)
            for name in drifted:
                if name in pages:
                    (target / name).write_text(pages[name], encoding="utf-8")
                else:
                    (target / name).unlink()
    except OSError as error:
        raise AuditError(f"{target}: cannot be written ({error.strerror})") from None
    return tuple(drifted)


def _index(rules: Sequence[Rule | EngineRule]) -> str:
    rows = [
        f"| [{rule.id}]({rule.id}.md) | {rule.severity} | {rule.title} | {', '.join(rule.references)} |"
        for rule in rules
    ]
    return "\n".join(
        [
            "# Rules",
            "",
            "`pgvitals audit` asks each of these about each system. Every rule answers with its evidence, also when",
            "it passes. These pages are generated from the rules and from real runs of their `bad.sql` and `good.sql`.",
            "Those of the family APP are about an application's engine, and asked with `--engine`.",
            "[Which safeguards they answer](coverage.md), of HIPAA among others, and which no database can answer.",
            "",
            "| rule | severity | finds | answers |",
            "|---|---|---|---|",
            *rows,
            "",
            _NEW_RULE,
        ]
    )


def _page(trial: Trial) -> str:
    rule = trial.rule
    if not trial.found:
        raise AuditError(f"{rule.folder}: the rule does not find its bad.sql exactly once; run the audit's self-test")
    finding = trial.broken.findings[0]
    facts = [
        f"PostgreSQL {rule.min_version} and newer",
        *(["a probe: it tries, and is rolled back, so it only runs in a lab"] if rule.writes else []),
        *(["a probe: it reads rows, so it only runs in a lab"] if rule.reads_rows else []),
        *(["asked once, of the server"] if rule.of_server else []),
    ]
    return "\n".join(
        [
            *page_head(rule, facts),
            "## What it finds",
            "",
            *fenced("sql", rule.bad),
            "",
            *_told(finding, trial.broken.evidence),
            "## What cures it",
            "",
            *fenced("sql", rule.good),
            "",
            f"{trial.cured.outcome.value.replace('_', ' ')}: {trial.cured.evidence}",
            "",
            *_cases(rule),
        ]
    )


def _cases(rule: Rule) -> list[str]:
    """What else it is tried on, by title."""
    lines: list[str] = []
    for head, has_defect in (("Found, too", True), ("Left alone", False)):
        titles = [f"- {case.title}" for case in rule.cases if case.has_defect == has_defect]
        lines += [f"## {head}", "", *titles, ""] if titles else []
    return lines


def _told(finding: Finding, evidence: str) -> list[str]:
    lines = [f"fail: {evidence}", "", f"- `{', '.join(finding.objects)}`: {finding.detail}", ""]
    return [*lines, "Its remediation:", "", *fenced("sql", finding.remediation), ""] if finding.remediation else lines
