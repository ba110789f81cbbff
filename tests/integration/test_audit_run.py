"""The audit's session: it cannot write, one bad rule stops no other, and it tells nothing that rows hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from pgvitals.audit import Rule, audit, load_rules, select_rules
from pgvitals.audit.rule import load_rule
from pgvitals.audit.session import SETTINGS
from pgvitals.audit.trial import policy
from pgvitals.errors import AuditError
from pgvitals.lab import Database, guard
from pgvitals.results.audit import Audit
from pgvitals.results.outcome import Outcome
from pgvitals.system import System

KEYS = select_rules(load_rules(), ["KEY"])
Make = Callable[..., Rule]
NOTHING = "select null as object, null as detail, null as remediation where false"


@pytest.fixture
def system(database: Database) -> System:
    """A schema ``rule_test`` with one good table."""
    with database.connect() as conn:
        conn.execute("create schema rule_test create table clients (id uuid primary key, email text)")
        conn.execute("insert into rule_test.clients values (gen_random_uuid(), 'ada@example.org')")
    return policy(KEYS[0])


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a rule of one query (or probe)."""

    def rule(number: int, query: str = NOTHING, *, probe: str = "", **header: str) -> Rule:
        folder = tmp_path / f"KEY9{number:02}_made"
        folder.mkdir()
        keys = dict.fromkeys(("title", "why", "remediation", "subject", "promise"), "something")
        values = {
            **keys,
            "severity": "P3",
            "answers": "DB-001",
            **({} if probe else {"checked": "select 1 as checked"}),
            **header,
        }
        marker = "#" if probe else "--"
        lines = [f"{marker} {key}: {value}" for key, value in values.items()]
        (folder / ("probe.py" if probe else "rule.sql")).write_text(
            "\n".join([*lines, probe or query]), encoding="utf-8"
        )
        for script in ("bad.sql", "good.sql"):
            (folder / script).write_text("select 1", encoding="utf-8")
        return load_rule(folder)

    return rule


def one(audited: Audit) -> tuple[Outcome, str]:
    (result,) = audited.results
    return result.outcome, result.evidence


def test_every_rule_answers_for_every_system(database: Database, system: System) -> None:
    other = system.model_copy(update={"name": "other", "schema_name": "other"})
    with database.connect() as conn:
        conn.execute("create schema other create table keyless (n int)")
    audited = audit(database.connect, [system, other], rules=KEYS)
    assert [(each.system, each.rule) for each in audited.results] == [
        (name, rule.id) for name in ("rule_test", "other") for rule in KEYS
    ]
    assert {each.rule: each.outcome for each in audited.results if each.system == "other"}["KEY001"] is Outcome.FAIL
    assert audited.outcome is Outcome.FAIL
    assert all(each.evidence and each.duration_ms > 0 for each in audited.results)


def test_a_pass_has_its_count_as_evidence(database: Database, system: System) -> None:
    audited = audit(database.connect, [system], rules=select_rules(KEYS, ["KEY001"]))
    assert one(audited) == (Outcome.PASS, "tables checked: 1; each has a primary key")


def test_a_schema_that_is_not_there_is_an_error_and_never_a_pass(database: Database, system: System) -> None:
    missing = system.model_copy(update={"schema_name": "nowhere"})
    audited = audit(database.connect, [missing], rules=KEYS)
    assert {each.outcome for each in audited.results} == {Outcome.ERROR}
    assert audited.outcome is Outcome.ERROR
    assert "schema 'nowhere' does not exist" in audited.results[0].evidence


def test_a_rule_that_breaks_is_an_error_and_the_others_still_run(
    database: Database, system: System, make: Make
) -> None:
    rules = [make(1, "select nothing from nowhere"), *select_rules(KEYS, ["KEY001"])]
    broken, sound = audit(database.connect, [system], rules=rules).results
    assert broken.outcome is Outcome.ERROR
    assert broken.evidence == 'relation "nowhere" does not exist (SQLSTATE 42P01)'
    assert sound.outcome is Outcome.PASS


def test_a_rule_without_the_agreed_columns_is_an_error(database: Database, system: System, make: Make) -> None:
    outcome, evidence = one(audit(database.connect, [system], rules=[make(1, "select 'x' as object")]))
    assert outcome is Outcome.ERROR
    assert 'column "detail" does not exist' in evidence


def test_a_rule_that_cannot_count_is_an_error(database: Database, system: System, make: Make) -> None:
    rule = make(1, checked="select null::int as checked")
    outcome, evidence = one(audit(database.connect, [system], rules=[rule]))
    assert (outcome, evidence) == (Outcome.ERROR, "'checked' must return one row with a count in the column checked")


def test_nothing_to_look_at_is_not_applicable_unless_something_was_found(
    database: Database, system: System, make: Make
) -> None:
    nothing = make(1, checked="select 0 as checked", subject="gardens")
    assert one(audit(database.connect, [system], rules=[nothing])) == (
        Outcome.NOT_APPLICABLE,
        "gardens: there are none",
    )


def test_a_rule_may_say_why_it_cannot_tell(database: Database, system: System, make: Make) -> None:
    rule = make(1, checked="select 1 as checked, 'no workload yet' as not_applicable")
    assert one(audit(database.connect, [system], rules=[rule])) == (Outcome.NOT_APPLICABLE, "no workload yet")


@pytest.mark.parametrize(
    "write",
    [
        "with g as (delete from rule_test.clients returning 1) select '' object, '' detail, '' remediation from g",
        "select nextval('rule_test.numbers')::text as object, '' as detail, '' as remediation",
        f"{NOTHING}) as answer; set transaction read write; delete from rule_test.clients; select * from ({NOTHING}",
    ],
    ids=["data-modifying query", "function that writes", "second statement"],
)
def test_a_rule_cannot_write(database: Database, system: System, make: Make, write: str) -> None:
    with database.connect() as conn:
        conn.execute("create sequence rule_test.numbers")
    rule = make(1, write)
    assert one(audit(database.connect, [system], rules=[rule]))[0] is Outcome.ERROR
    with database.connect() as conn:
        assert conn.execute("select count(*) from rule_test.clients").fetchone() == (1,)


def test_an_error_message_tells_no_value_of_a_row(database: Database, system: System, make: Make) -> None:
    leak = make(1, "select (select email::int from rule_test.clients)::text as object, '' as detail, '' as remediation")
    outcome, evidence = one(audit(database.connect, [system], rules=[leak]))
    assert (outcome, evidence) == (Outcome.ERROR, "InvalidTextRepresentation (SQLSTATE 22P02)")


def test_a_rule_that_takes_too_long_gives_up(
    database: Database, system: System, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SETTINGS, "statement_timeout", "50ms")
    slow = make(1, "select pg_sleep(60)::text as object, '' as detail, '' as remediation")
    assert one(audit(database.connect, [system], rules=[slow])) == (
        Outcome.ERROR,
        "gave up after 50ms, the statement timeout of the audit",
    )


def test_rules_see_no_search_path_and_a_hidden_function_changes_nothing(
    database: Database, system: System, make: Make
) -> None:
    with database.connect() as conn:
        conn.execute("create function public.quote_ident(name) returns text language sql as $$ select 'forged' $$")
        name = conn.execute("select current_database()").fetchone()
        assert name is not None
        conn.execute(f'alter database "{name[0]}" set search_path = public, pg_catalog')
        conn.execute("create table rule_test.keyless (n int)")
    rule = make(1, "select current_setting('search_path') as object, 'x' as detail, '' as remediation")
    audited = audit(database.connect, [system], rules=[rule, *select_rules(KEYS, ["KEY001"])])
    assert audited.results[0].findings[0].objects == ("",)
    assert audited.results[1].findings[0].objects == ("rule_test.keyless",)


def test_a_lent_connection_is_given_back_as_it_was(database: Database, system: System) -> None:
    with database.connect() as conn:
        conn.execute("set search_path = rule_test; set statement_timeout = '7s'")
        audit(conn, [system], rules=KEYS)
        conn.execute("insert into clients values (gen_random_uuid())")
        assert conn.execute("show statement_timeout").fetchone() == ("7s",)


def test_a_connection_in_a_transaction_is_refused(database: Database, system: System) -> None:
    with database.connect(autocommit=False) as conn, pytest.raises(AuditError, match="autocommit"):
        audit(conn, [system], rules=KEYS)


def test_a_rule_for_a_newer_server_is_not_applicable(database: Database, system: System, make: Make) -> None:
    rule = make(1, "select * from pg_from_the_future", min_version="99")
    assert one(audit(database.connect, [system], rules=[rule])) == (
        Outcome.NOT_APPLICABLE,
        "needs PostgreSQL 99 or newer",
    )


WRITER = """
from pgvitals.audit.declared import Looked
from pgvitals.results.audit import Finding

def probe(connection, system):
    count = connection.execute("delete from rule_test.clients").rowcount
    return Looked(checked=count, findings=(Finding(objects=("rule_test.clients",), detail="rows can go"),))
"""


def test_a_probe_that_writes_is_rolled_back_in_the_lab(database: Database, system: System, make: Make) -> None:
    rule = make(1, probe=WRITER, writes="yes")
    assert one(audit(database.connect, [system], rules=[rule])) == (Outcome.FAIL, "something checked: 1; violations: 1")
    with database.connect() as conn:
        assert conn.execute("select count(*) from rule_test.clients").fetchone() == (1,)


def test_a_probe_that_writes_is_refused_on_somebody_elses_database(
    database: Database, system: System, make: Make
) -> None:
    rule = make(1, probe=WRITER, writes="yes")
    audited = audit(database.connect, [system], rules=[rule], kind="external")
    assert one(audited) == (Outcome.NOT_APPLICABLE, "the probe writes; it only runs in a lab of ours")
    assert audited.database_kind == "external"


def test_a_probe_that_does_not_say_that_it_writes_cannot(database: Database, system: System, make: Make) -> None:
    outcome, evidence = one(audit(database.connect, [system], rules=[make(1, probe=WRITER)]))
    assert outcome is Outcome.ERROR
    assert "read-only transaction" in evidence


def test_a_probe_that_fails_is_an_error_without_its_message(database: Database, system: System, make: Make) -> None:
    rule = make(1, probe="def probe(connection, system):\n    raise ValueError('ada@example.org')\n")
    assert one(audit(database.connect, [system], rules=[rule])) == (Outcome.ERROR, "the probe failed with ValueError")


def test_a_connection_that_breaks_ends_the_audit_with_a_plain_error(
    database: Database, system: System, make: Make
) -> None:
    query = "select pg_terminate_backend(pg_backend_pid())::text as object, '' as detail, '' as remediation"
    with pytest.raises(AuditError, match="the connection broke while KEY901 looked at rule_test"):
        audit(database.connect, [system], rules=[make(1, query)])


def test_an_unprivileged_role_can_audit(database: Database, system: System) -> None:
    with database.connect() as conn:
        conn.execute("create role audit_guest")
        try:
            conn.execute("grant usage on schema rule_test to audit_guest")
            with database.connect(role="audit_guest") as guest:
                assert guest.execute("select current_user").fetchone() == ("audit_guest",)
                audited = audit(guest, [system])
        finally:
            conn.execute("drop owned by audit_guest")
            conn.execute("drop role audit_guest")
    assert {each.outcome for each in audited.results} <= {Outcome.PASS, Outcome.NOT_APPLICABLE}


def test_a_user_who_may_not_look_is_told_so(database: Database, system: System, make: Make) -> None:
    rule = make(1, "select line_number::text as object, '' as detail, '' as remediation from pg_hba_file_rules")
    with database.connect() as conn:
        conn.execute("create role audit_guest")
        try:
            with database.connect(role="audit_guest") as guest:
                outcome, evidence = one(audit(guest, [system], rules=[rule]))
        finally:
            conn.execute("drop role audit_guest")
    assert outcome is Outcome.NOT_APPLICABLE
    assert evidence == "this user may not look: permission denied for view pg_hba_file_rules (SQLSTATE 42501)"


def test_a_probe_that_reads_rows_is_refused_on_somebody_elses_database(
    database: Database, system: System, make: Make
) -> None:
    reader = "def probe(connection, system):\n    raise AssertionError\n"
    rule = make(1, probe=reader, reads_rows="yes")
    expected = (Outcome.NOT_APPLICABLE, "the probe reads rows; it only runs in a lab of ours")
    assert one(audit(database.connect, [system], rules=[rule], kind="external")) == expected
    with database.connect() as conn:
        conn.execute("drop schema pgvitals cascade")
    try:
        assert one(audit(database.connect, [system], rules=[rule])) == expected, "whatever it is called"
    finally:
        with database.connect() as conn:
            guard.stamp(conn)


def test_a_rule_of_the_server_is_asked_once(database: Database, system: System, make: Make) -> None:
    rule = make(1, of_server="yes", checked="select count(*) as checked from server_settings where name = 'ssl'")
    other = system.model_copy(update={"name": "other", "schema_name": "other"})
    audited = audit(database.connect, [system, other], rules=[rule])
    assert [(each.system, each.outcome) for each in audited.results] == [("server", Outcome.PASS)]


def test_a_lab_s_server_is_not_judged_as_the_one_that_goes_live(database: Database, system: System, make: Make) -> None:
    rule = make(1, of_server="yes", of_lab="no", checked="select 1 as checked")
    outcome, evidence = one(audit(database.connect, [system], rules=[rule]))
    assert (outcome, evidence.split(";")[0]) == (Outcome.NOT_APPLICABLE, "this server is there to be measured on")
    assert one(audit(database.connect, [system], rules=[rule], kind="external"))[0] is Outcome.PASS


def test_more_tables_take_no_more_statements(
    database: Database, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    execute = psycopg.Cursor.execute
    monkeypatch.setattr(
        psycopg.Cursor, "execute", lambda self, *given, **how: sent.append("") or execute(self, *given, **how)
    )

    def statements(tables: int) -> int:
        with database.connect() as conn:
            conn.execute(
                f"do $$ begin for n in 1 .. {tables} loop execute format("
                "'create table if not exists rule_test.t%1$s (id uuid primary key, tenant_id uuid, email bytea, "
                "parent_id uuid references rule_test.clients, starts_at timestamptz, ends_at timestamptz, "
                "deleted_at timestamptz); create index if not exists t%1$s_i on rule_test.t%1$s (tenant_id); "
                "alter table rule_test.t%1$s enable row level security', n); end loop; end $$"
            )
        names = tuple(f"t{number}" for number in range(1, tables + 1))
        asked = system.model_copy(
            update={
                "tenant_tables": names,
                "audited_tables": names,
                "retention_tables": names,
                "audit_table": "clients",
                "phi_columns": dict.fromkeys(names, ("email",)),
            }
        )
        sent.clear()
        audited = audit(database.connect, [asked], kind="external")
        assert max(each.checked for each in audited.results) >= tables
        return len(sent)

    assert statements(40) == statements(3)
