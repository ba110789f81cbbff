"""A rule folder says what it is, or names the file and the key that is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pgvitals.audit.cases import told_settings
from pgvitals.audit.rule import Rule, load_rule, load_rules, select_rules
from pgvitals.audit.statement import parameters, question
from pgvitals.audit.trial import policy, statements
from pgvitals.errors import AuditError

HEADER = {
    "title": "Table that nobody named",
    "severity": "P2",
    "why": "It is lost.",
    "remediation": "Name it.",
    "subject": "tables",
    "promise": "each has a name",
    "checked": "select count(*) as checked from tables",
}
REFERENCES = {"answers": "DB-001; DB-007", "hipaa": "164.312(b); 164.316(b)(2)(i)", "cis": "4.7"}
QUERY = "select qualified as object, 'lost' as detail, null as remediation from tables where false"
PROBE = "from pgvitals.audit.declared import Looked\n\ndef probe(connection, system):\n    return Looked(checked=1)\n"


def write_rule(
    parent: Path, *, name: str = "KEY900_lost", body: str = QUERY, source: str = "rule.sql", **header: str | None
) -> Path:
    folder = parent / name
    folder.mkdir()
    marker = "--" if source.endswith(".sql") else "#"
    values = {key: value for key, value in {**HEADER, **REFERENCES, **header}.items() if value is not None}
    lines = [f"{marker} {key}: {value}" for key, value in values.items()]
    (folder / source).write_text("\n".join([*lines, body]) + "\n", encoding="utf-8")
    (folder / "bad.sql").write_text("create table rule_test.lost ();", encoding="utf-8")
    (folder / "good.sql").write_text("drop table rule_test.lost;", encoding="utf-8")
    return folder


def test_a_rule_knows_what_its_folder_says(tmp_path: Path) -> None:
    rule = load_rule(write_rule(tmp_path, min_version="15"))
    assert (rule.id, rule.slug, rule.family, rule.severity) == ("KEY900", "lost", "KEY", "P2")
    assert rule.references == (
        "DB-001",
        "DB-007",
        "45 CFR 164.312(b)",
        "45 CFR 164.316(b)(2)(i)",
        "CIS PostgreSQL 17 4.7",
    )
    assert (rule.answers, rule.cis, rule.method) == (("DB-001", "DB-007"), ("4.7",), "catalog")
    assert rule.min_version == 15
    assert rule.sql == QUERY
    assert rule.good == "drop table rule_test.lost;"


def test_a_header_value_goes_on_over_indented_lines(tmp_path: Path) -> None:
    rule = load_rule(write_rule(tmp_path, why="It is lost,\n--   and stays so."))
    assert rule.why == "It is lost, and stays so."


@pytest.mark.parametrize("key", sorted(HEADER))
def test_a_header_without_a_key_names_the_file_and_the_key(tmp_path: Path, key: str) -> None:
    folder = write_rule(tmp_path, **{key: None})
    with pytest.raises(AuditError, match=rf"rule\.sql: the header lacks '{key}'"):
        load_rule(folder)


def test_an_unknown_key_is_refused_with_its_line(tmp_path: Path) -> None:
    folder = write_rule(tmp_path, colour="blue")
    with pytest.raises(AuditError, match=r"rule\.sql:11: unknown header key 'colour'"):
        load_rule(folder)


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    folder = write_rule(tmp_path, why="It is lost.\n-- why: Again.")
    with pytest.raises(AuditError, match="'why' is given twice"):
        load_rule(folder)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("severity", "P4", "'severity' must be one of P0, P1, P2, P3, got 'P4'"),
        ("min_version", "12", "'min_version' must be a major version from 13 on, got '12'"),
        ("min_version", "new", "'min_version' must be a major version from 13 on, got 'new'"),
        ("answers", "DB-001;; DB-002", "'answers' holds ''; write for example DB-002; DB-007"),
        ("hipaa", "45 CFR 164.312(b)", "'hipaa' holds '45 CFR 164.312(b)'; write for example 164.312(a)(1)"),
        ("cis", "4", "'cis' holds '4'; write for example 4.7"),
        ("of_server", "maybe", "'of_server' must be one of yes, no, got 'maybe'"),
        ("checked", "select %(tenants)s", "uses the parameter 'tenants', which no system has"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(tmp_path: Path, key: str, value: str, message: str) -> None:
    folder = write_rule(tmp_path, **{key: value})
    with pytest.raises(AuditError, match=re.escape(message)):
        load_rule(folder)


def test_a_query_with_an_unknown_parameter_is_refused(tmp_path: Path) -> None:
    folder = write_rule(tmp_path, body="select %(colour)s")
    with pytest.raises(AuditError, match="uses the parameter 'colour'"):
        load_rule(folder)


def test_a_header_without_a_query_is_refused(tmp_path: Path) -> None:
    folder = write_rule(tmp_path, body="")
    with pytest.raises(AuditError, match="no query below it"):
        load_rule(folder)


def test_a_rule_that_answers_nothing_is_refused(tmp_path: Path) -> None:
    folder = write_rule(tmp_path, **dict.fromkeys(REFERENCES))
    with pytest.raises(AuditError, match="names nothing that the rule answers; give one of answers, hipaa, cis"):
        load_rule(folder)


@pytest.mark.parametrize("name", ["KEY9_lost", "key900_lost", "KEY900", "KEY900_Lost"])
def test_a_folder_with_another_kind_of_name_is_refused(tmp_path: Path, name: str) -> None:
    folder = write_rule(tmp_path, name=name)
    with pytest.raises(AuditError, match="named like KEY001_no_primary_key"):
        load_rule(folder)


def test_a_rule_without_its_bad_schema_is_refused(tmp_path: Path) -> None:
    folder = write_rule(tmp_path)
    (folder / "bad.sql").write_text("\n", encoding="utf-8")
    with pytest.raises(AuditError, match=r"bad\.sql: missing, empty"):
        load_rule(folder)


def test_a_rule_is_either_a_query_or_a_probe(tmp_path: Path) -> None:
    folder = write_rule(tmp_path)
    (folder / "probe.py").write_text(PROBE, encoding="utf-8")
    with pytest.raises(AuditError, match="this one has 2 of them"):
        load_rule(folder)


def test_a_probe_says_in_its_header_that_it_writes(tmp_path: Path) -> None:
    rule = load_rule(write_rule(tmp_path, source="probe.py", body=PROBE, checked=None, writes="yes"))
    assert rule.writes
    assert not rule.reads_rows
    assert rule.probe is not None


@pytest.mark.parametrize(
    ("body", "message"), [("import nowhere_at_all", "does not import"), ("x = 1", "defines no function 'probe")]
)
def test_a_probe_that_cannot_be_called_is_refused(tmp_path: Path, body: str, message: str) -> None:
    folder = write_rule(tmp_path, source="probe.py", body=body, checked=None)
    with pytest.raises(AuditError, match=message):
        load_rule(folder)


def test_two_rules_with_one_id_are_refused(tmp_path: Path) -> None:
    write_rule(tmp_path, name="KEY900_lost")
    write_rule(tmp_path, name="KEY900_found")
    with pytest.raises(AuditError, match="has the id KEY900 already"):
        load_rules(tmp_path)


def test_a_folder_without_rules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="no rules here"):
        load_rules(tmp_path)


def test_rules_are_selected_by_id_and_by_family() -> None:
    rules = load_rules()
    assert select_rules(rules, []) == rules
    assert [rule.id for rule in select_rules(rules, ["KEY001"])] == ["KEY001"]
    assert {rule.family for rule in select_rules(rules, ["IDX"])} == {"IDX"}
    with pytest.raises(AuditError, match="unknown rule or family 'KEY9'") as caught:
        select_rules(rules, ["KEY9"])
    assert "families: AUD, CON, ENC, IDX, KEY, OPS, RET, TEN; rules like KEY00" in str(caught.value)
    assert len(str(caught.value)) < 160


def test_a_percent_sign_in_a_rule_is_a_percent_sign() -> None:
    text = question("select format('%I', %(schema)s) as object", "select 1 as checked")
    assert "format('%%I', %(schema)s::text)" in text


def test_a_rule_takes_of_the_vocabulary_what_it_names_and_what_that_needs() -> None:
    text = question(
        "select quoted as object from columns", "select count(*) as checked from mine", "mine as (select 1)"
    )
    assert "\ntables as (" in text
    assert "\nforeign_keys as (" not in text
    assert text.index("columns as (") < text.index("mine as (") < text.index("to_jsonb(answer)")


CASES = """\
-- given
create table rule_test.a ();
-- defect: first
create table rule_test.b ();
-- cure
drop table rule_test.b;
-- lookalike: second
create table rule_test.c ();
"""


def test_more_cases_begin_with_what_is_given(tmp_path: Path) -> None:
    folder = write_rule(tmp_path)
    (folder / "cases.sql").write_text(CASES, encoding="utf-8")
    first, second = load_rule(folder).cases
    assert (first.title, first.has_defect, first.cure) == ("first", True, "drop table rule_test.b;")
    assert (second.title, second.has_defect) == ("second", False)
    assert second.script == "create table rule_test.a ();\ncreate table rule_test.c ();"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("select 1;", "cases.sql:1: begins with"),
        ("-- defect: empty\n-- lookalike: b\nselect 1;", "cases.sql:1: '-- defect' is followed by no statement"),
        ("-- defect\nselect 1;", "cases.sql:1: write what it is"),
        ("-- lookalike: a\nselect 1;\n-- cure\nselect 2;", "cases.sql:3: a cure follows its defect"),
    ],
)
def test_a_case_that_cannot_be_read_is_refused(tmp_path: Path, text: str, message: str) -> None:
    folder = write_rule(tmp_path)
    (folder / "cases.sql").write_text(text, encoding="utf-8")
    with pytest.raises(AuditError, match=message):
        load_rule(folder)


def test_a_script_may_tell_settings_of_the_server() -> None:
    assert told_settings("-- server: ssl = off\nselect 1;\n-- server: listen_addresses = *") == {
        "ssl": "off",
        "listen_addresses": "*",
    }


def test_a_rule_of_the_server_asks_for_nothing_of_a_system(tmp_path: Path) -> None:
    folder = write_rule(tmp_path, of_server="yes")
    with pytest.raises(AuditError, match="uses the parameter 'schema', which a rule of the server cannot have"):
        load_rule(folder)


def test_every_parameter_that_a_rule_may_use_has_a_value(tmp_path: Path) -> None:
    known = parameters(policy(load_rule(write_rule(tmp_path))))
    assert known["schema"] == "rule_test"
    assert known["tenant_column"] == "tenant_id"
    assert known["shared_tables"] == []


def test_a_policy_with_an_unknown_key_names_the_file(tmp_path: Path) -> None:
    folder = write_rule(tmp_path)
    (folder / "policy.toml").write_text('colour = "blue"', encoding="utf-8")
    with pytest.raises(AuditError, match=r"policy\.toml: colour"):
        policy(load_rule(folder))


def test_a_remediation_is_one_statement_a_line_and_comments_for_people() -> None:
    text = "-- look first\nalter table a add x int;\ncreate index concurrently on a (x);\n-- then drop y;"
    assert statements(text) == ["alter table a add x int", "create index concurrently on a (x)"]


@pytest.mark.parametrize("rule", load_rules(), ids=lambda rule: rule.id)
def test_every_header_tells_people_what_they_need(rule: Rule) -> None:
    for text in (rule.why, rule.remediation):
        assert text.endswith(".")
    assert not rule.title.endswith(".")
    assert rule.references
