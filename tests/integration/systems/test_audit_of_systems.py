"""The audit on systems with rows: it is silent at the heads, and its probes find what older revisions let through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from pgvitals.audit import audit, load_rules, select_rules
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import downgrade
from pgvitals.results.audit import RuleResult
from pgvitals.results.outcome import Outcome
from pgvitals.suite import Suite

PROBES = ("TEN030", "TEN031", "TEN032", "TEN033", "TEN034", "AUD020", "AUD022", "CON020")
Results = Mapping[tuple[str, str], RuleResult]


@pytest.fixture(scope="module")
def copy(server: Server, loaded: Database) -> Iterator[Database]:
    """A copy of the systems with their rows, whose statistics nobody else's queries have filled."""
    with server.scratch("audited", loaded) as made:
        yield made


@pytest.fixture(scope="module")
def heads(suite: Suite, copy: Database) -> Results:
    """What every rule says about every system at its head."""
    results = audit(copy.connect, suite.select(None)).results
    return {(result.system, result.rule): result for result in results}


@pytest.fixture(scope="module")
def before(suite: Suite, copy: Database, heads: Results) -> Results:
    """What the probes say where the third document says that all is well, and the first one that the check is."""
    for revision in ("ec20df1795df", "20250106_1200_schema_cleanup_audit"):
        downgrade(suite, copy, revision)
    systems = [suite.system("portal"), suite.system("practice")]
    results = audit(copy.connect, systems, rules=select_rules(load_rules(), PROBES)).results
    return {(result.system, result.rule): result for result in results}


def objects(result: RuleResult) -> set[str]:
    return {name.split(".", 1)[1] for finding in result.findings for name in finding.objects}


def test_no_rule_speaks_about_a_hardened_system(heads: Results) -> None:
    spoken = {
        key: result.evidence
        for key, result in heads.items()
        if result.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)
    }
    assert spoken == {}


def test_every_probe_has_rows_to_try_on(heads: Results) -> None:
    tried = {key: heads[key].checked for key in heads if key[1].startswith("TEN03")}
    assert min(tried.values()) >= 7, tried
    for system, tables in {"pazpaz": 10, "portal": 19}.items():
        assert heads[system, "AUD020"].checked == tables
        assert heads[system, "AUD021"].outcome is Outcome.PASS
    assert heads["pazpaz", "ENC020"].checked == heads["pazpaz", "ENC021"].checked >= 17
    assert heads["practice", "CON020"].checked == 5


def test_the_probes_leave_no_row_and_no_scan_behind(copy: Database, heads: Results) -> None:
    query = (
        "select sum(n_tup_ins + n_tup_upd + n_tup_del), sum(idx_scan) from pg_stat_user_tables "
        "where schemaname in ('pazpaz', 'practice', 'portal')"
    )
    with copy.connect() as conn:
        conn.execute("select pg_stat_force_next_flush()")
        assert conn.execute(query).fetchone() == (0, 0)


@pytest.mark.parametrize("probe", ["TEN030", "TEN031", "TEN032", "TEN033", "TEN034"])
def test_what_the_portal_s_audit_passed_too_early_is_open(before: Results, probe: str) -> None:
    assert objects(before["portal", probe]) == {
        "organizations",
        "organization_members",
        "contact_methods",
        "care_team_assignments",
        "patient_proxy_assignments",
    }


def test_writes_that_the_portal_does_not_record_are_counted(before: Results) -> None:
    assert {"providers", "staff", "proxies"} <= objects(before["portal", "AUD020"])
    assert "appointments" not in objects(before["portal", "AUD020"])
    assert objects(before["portal", "AUD022"]) == {"audit_logs"}


def test_a_zip_code_of_nine_digits_is_refused_until_the_hardening(before: Results) -> None:
    (finding,) = before["practice", "CON020"].findings
    assert finding.objects == ("practice.locations.ck_locations_zip_format",)
    assert finding.detail == "'12345-6789' is refused"


def test_no_row_s_value_is_told(copy: Database, before: Results, heads: Results) -> None:
    told = " ".join(
        f"{result.evidence} {finding.detail} {finding.remediation} {' '.join(finding.objects)}"
        for result in (*before.values(), *heads.values())
        for finding in result.findings
    )
    with copy.connect() as conn:
        values = conn.execute(
            "select id from portal.organizations union select id from portal.patients "
            "union select last_name from portal.patients where length(last_name) > 5 "
            "union select id::text from practice.tenants"
        ).fetchall()
    assert len(values) > 50
    assert [value for (value,) in values if value in told] == []
