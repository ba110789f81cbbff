"""Facts about datasets: they hold on what is loaded, from any seed, and break where rows are not what was claimed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from pgvitals.cli import app
from pgvitals.dataset.describe import describe
from pgvitals.dataset.facts import check, pictures
from pgvitals.dataset.load import load
from pgvitals.errors import FactError, GuardError
from pgvitals.lab import Database, Server
from pgvitals.lab.migrate import upgrade
from pgvitals.profile import Profile
from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Fact
from pgvitals.results.rundir import Run, RunWriter
from pgvitals.suite import Suite
from pgvitals.system import System

SYSTEMS = ("pazpaz", "practice", "portal")
HELD = (Outcome.PASS, Outcome.NOT_APPLICABLE)


@pytest.fixture(scope="module")
def smoke(suite: Suite) -> Profile:
    return suite.profiles.get("smoke")


@pytest.fixture(scope="module")
def loaded(suite: Suite, server: Server, smoke: Profile) -> Iterator[Database]:
    """The newest revisions of all systems with the profile's rows; nobody writes into it."""
    with server.scratch("facts") as database:
        upgrade(suite, database)
        load(suite, database, smoke)
        yield database


@pytest.fixture
def copy(server: Server, loaded: Database) -> Iterator[Database]:
    """A clone to break."""
    with server.scratch("broken", loaded) as database:
        yield database


def asked(suite: Suite, database: Database, profile: Profile, *systems: str) -> dict[str, Fact]:
    """The facts by ``system/name``."""
    found = check(suite, database, profile, suite.select(list(systems) or None))
    return {f"{fact.system}/{fact.fact}": fact for fact in found}


def broken(facts: dict[str, Fact]) -> dict[str, object]:
    return {name: fact.reason or fact.value for name, fact in facts.items() if fact.outcome not in HELD}


def test_every_claim_about_the_rows_holds_on_the_newest_revisions(
    suite: Suite, loaded: Database, smoke: Profile
) -> None:
    facts = asked(suite, loaded, smoke)
    assert broken(facts) == {}
    assert {fact.system for fact in facts.values()} == set(SYSTEMS)
    for fact in facts.values():
        assert fact.outcome is Outcome.PASS or "it takes" in fact.reason or "not at this revision" in fact.reason
    passed = [fact for fact in facts.values() if fact.outcome is Outcome.PASS]
    assert len(passed) > 110


@pytest.mark.parametrize("seed", [1, 2])
def test_every_claim_holds_for_other_seeds(suite: Suite, server: Server, smoke: Profile, seed: int) -> None:
    with server.scratch("seed") as database:
        upgrade(suite, database)
        load(suite, database, smoke, seed=seed)
        assert broken(asked(suite, database, smoke)) == {}


@pytest.mark.parametrize(
    ("system", "revision"),
    [
        ("pazpaz", "65ac34a08850"),
        ("pazpaz", "2de77d93d190"),
        ("pazpaz", "92df859932f2"),
        ("practice", "practice_0001"),
        ("portal", "portal_0001"),
    ],
)
def test_every_claim_about_an_older_revision_holds_there(
    suite: Suite, server: Server, smoke: Profile, system: str, revision: str
) -> None:
    with server.scratch("older") as database:
        upgrade(suite, database, revision)
        load(suite, database, smoke, systems=[system])
        facts = asked(suite, database, smoke, system)
        assert broken(facts) == {}
        assert pictures(suite, database, smoke, [suite.system(system)])
        if revision == "2de77d93d190":  # the last one that keeps names in the clear
            for name in ("names_beyond_ascii", "same_name", "same_person", "email_of_client", "notes_differ"):
                assert facts[f"pazpaz/{name}"].outcome is Outcome.PASS


BREAKS = {
    "a visit on a Sunday": (
        """update pazpaz.appointments set scheduled_start = moved.start, scheduled_end = moved.start + length
           from (select id, scheduled_end - scheduled_start as length,
                   scheduled_start + (7 - extract(isodow from scheduled_start)) * interval '1 day' as start
                 from pazpaz.appointments where status = 'completed' limit 1) as moved
           where moved.id = appointments.id""",
        "pazpaz/weekends",
    ),
    "visits an hour later in summer": (
        """update pazpaz.appointments set scheduled_start = scheduled_start + interval '1 hour',
             scheduled_end = scheduled_end + interval '1 hour'
           where extract(month from scheduled_start) between 4 and 10""",
        "pazpaz/working_hours",
        "pazpaz/clock_changes_local",
        "pazpaz/clock_changes_utc",
    ),
    "two patients at a time": (
        """update portal.appointments set status = 'completed'
           where status = 'cancelled' and scheduled_end <= '2025-10-01'""",
        "portal/no_overlap",
        "portal/cancelled",
    ),
    "one patient in two places": (
        """update portal.appointments set patient_id = other.patient_id
           from (select patient_id, scheduled_start, provider_id from portal.appointments where status = 'completed')
             as other
           where other.scheduled_start = appointments.scheduled_start
             and other.provider_id <> appointments.provider_id and status = 'completed'""",
        "portal/one_place_at_a_time",
    ),
    "tenants of one size": (
        """update practice.auth_tokens set tenant_id = ranked.tenant_id
           from (select id, (select array_agg(id) from practice.tenants)[1 + row_number() over () %% 12] as tenant_id
                 from practice.auth_tokens) as ranked
           where ranked.id = auth_tokens.id""",
        "practice/tenant_sizes",
        "practice/largest_tenant",
        "practice/users_of_tokens",
    ),
    "the past not settled": (
        """update pazpaz.appointments set status = 'scheduled'
           where scheduled_end <= '2025-10-01' and status = 'no_show'""",
        "pazpaz/status_of_past",
        "pazpaz/missed",
    ),
    "the future completed": (
        """update portal.appointments set status = 'completed'
           where scheduled_start > '2025-10-10' and status = 'scheduled'""",
        "portal/status_of_future",
    ),
    "a visit of a client not yet known": (
        """update pazpaz.clients set created_at = now()
           where id = (select client_id from pazpaz.appointments limit 1)""",
        "pazpaz/known_clients",
    ),
    "a client of another workspace": (
        """update pazpaz.appointments
           set client_id = (select id from pazpaz.clients where workspace_id <> appointments.workspace_id limit 1)
           where id = (select id from pazpaz.appointments limit 1)""",
        "pazpaz/own_workspace",
    ),
    "everybody comes equally often": (
        """update portal.appointments set patient_id = spread.patient_id
           from (select a.id, p.ids[1 + row_number() over () %% cardinality(p.ids)] as patient_id
                 from portal.appointments as a, (select array_agg(id) as ids from portal.patients) as p) as spread
           where spread.id = appointments.id""",
        "portal/return_visits",
        "portal/regular_patients",
        "portal/own_organization",
    ),
    "no season": (
        """update pazpaz.appointments
           set scheduled_start = scheduled_start + length, scheduled_end = scheduled_end + length
           from (select id, case when row_number() over (order by id) %% 2 = 0
                   then interval '182 days' else interval '0' end as length
                 from pazpaz.appointments
                 where scheduled_start between '2024-10-01' and '2025-03-31') as moved
           where moved.id = appointments.id""",
        "pazpaz/summer",
    ),
    "a circle of tokens": (
        """update practice.auth_tokens set parent_token_id = child.id
           from (
             select child.id, root.id as root
             from practice.auth_tokens as root
             join practice.auth_tokens as child on child.parent_token_id = root.id
             where root.parent_token_id is null
             limit 1) as child
           where auth_tokens.id = child.root""",
        "practice/chains_end",
        "practice/token_parents",
    ),
    "an expired token that is active": (
        """update practice.auth_tokens set status = 'active'
           where id = (select id from practice.auth_tokens where status = 'expired' limit 1)""",
        "practice/token_states",
    ),
    "a key that skips a version": (
        """update practice.encryption_keys set version = '9'
           where id = (select id from practice.encryption_keys where version = '2' limit 1)""",
        "practice/key_versions",
        "practice/key_parents",
    ),
    "an error without words": (
        """update practice.fhir_mappings set last_error = null
           where id = (select id from practice.fhir_mappings where error_count > 0 limit 1)""",
        "practice/mapping_errors_agree",
    ),
    "a wrong check digit": (
        """alter table practice.practice_profiles drop constraint ck_practice_profiles_npi_check_digit;
           update practice.practice_profiles
           set npi_number = left(npi_number, 9) || (right(npi_number, 1)::int + 1) %% 10
           where id = (select id from practice.practice_profiles limit 1)""",
        "practice/npi_check_digits",
    ),
    "two digits of an NPI that changed places": (
        """update portal.providers
           set npi = substr(npi, 1, 4) || substr(npi, 6, 1) || substr(npi, 5, 1) || substr(npi, 7)
           where id = (select id from portal.providers
             where abs(substr(npi, 5, 1)::int - substr(npi, 6, 1)::int) not in (0, 9) limit 1)""",
        "portal/npi_check_digits",
    ),
    "a ZIP code of two cities": (
        """update practice.locations set city = 'Elsewhere'
           where id = (select id from practice.locations
             where zip_code in (select zip_code from practice.locations group by 1 having count(*) > 1) limit 1)""",
        "practice/one_city_a_zip",
    ),
    "a ZIP code of another state": (
        "update portal.patients set state = case state when 'CA' then 'NY' else 'CA' end",
        "portal/zip_of_state",
        "portal/patients_near",
    ),
    "plain names": (
        "update practice.users set full_name = 'John Smith'",
        "practice/names_beyond_ascii",
        "practice/email_of_user",
    ),
    "a patient who is no member": (
        """delete from portal.organization_members
           where user_id = (select user_id from portal.patients limit 1)""",
        "portal/memberships",
    ),
    "two primary providers": (
        "update portal.care_team_assignments set role = 'primary', until = null",
        "portal/care_teams",
    ),
    "a ULID of another time": (
        """update portal.users set created_at = created_at - interval '1 day'
           where id = (select max(id) from portal.users)""",
        "portal/ulid_moments",
    ),
    "rows that were shuffled on disk": (
        """create temporary table shuffled as select * from practice.auth_tokens;
           truncate practice.auth_tokens cascade;
           insert into practice.auth_tokens select * from shuffled order by md5(id::text)""",
        "practice/issue_order",
    ),
    "ciphertext that repeats": (
        "update pazpaz.clients set last_name = '\\x0102'",
        "pazpaz/sealed_names",
        "pazpaz/sealed_sizes",
    ),
    "a version of notes that is lost": (
        """delete from pazpaz.session_versions
           where id = (select id from pazpaz.session_versions where version_number = 1 limit 1)""",
        "pazpaz/session_versions",
    ),
    "one reason for all": (
        "update portal.appointments set reason = 'Follow-up' where reason is not null",
        "portal/reasons_differ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BREAKS)
def test_a_fact_notices(suite: Suite, copy: Database, smoke: Profile, what: str) -> None:
    change, *expected = BREAKS[what]
    system = expected[0].partition("/")[0]
    with copy.connect() as conn:
        conn.execute("set session_replication_role = replica")  # neither triggers nor foreign keys stand in the way
        if "appointments" in change:
            conn.execute(
                "alter table pazpaz.appointments drop constraint if exists ex_appointments_practitioner_overlap"
            )
        conn.execute(change.replace("%%", "%"))
    failed = {name for name, fact in asked(suite, copy, smoke, system).items() if fact.outcome is Outcome.FAIL}
    assert set(expected) <= failed


def own_system(suite: Suite, tmp_path: Path, **facts: str) -> System:
    """A system with these facts (the text of their files) and practice's tables."""
    folder = tmp_path / "facts"
    folder.mkdir(exist_ok=True)
    for name, text in facts.items():
        (folder / f"{name}.sql").write_text(text)
    return suite.system("practice").model_copy(update={"folder": tmp_path})


def fact(statement: str, expect: str = "= 1", more: str = "") -> str:
    return f"-- title: A claim\n-- about: tests\n-- expect: {expect}\n-- unit: rows\n{more}{statement}\n"


@pytest.mark.parametrize(
    ("text", "outcome", "reason"),
    [
        (fact("select 1 as value, 5 as n"), Outcome.PASS, ""),
        (fact("select 2 as value, 5 as n"), Outcome.FAIL, "outside of what is expected"),
        (
            fact("select 2 as value, 5 as n", more="-- at_least: 1000\n"),
            Outcome.NOT_APPLICABLE,
            "of 5; it takes 1,000 to tell",
        ),
        (fact("select null as value, 0 as n"), Outcome.NOT_APPLICABLE, "of 0; it takes 1 to tell"),
        (fact("select null as value, 3 as n"), Outcome.ERROR, "no value, though it was computed from 3"),
        (fact("select 1 as value, null as n"), Outcome.ERROR, "the statement returns no n: of how many things"),
        (fact("select 'nan'::float8 as value, 3 as n"), Outcome.ERROR, "the value is no finite number but nan"),
        (fact("select 1 as value, 1 as n where false"), Outcome.ERROR, "the statement returns no row"),
        (fact("select n as value, n from generate_series(1, 3) as n"), Outcome.ERROR, "more than one row"),
        (fact("select 1 as value, 1 / (select count(*) - 12 from practice.tenants) as n"), Outcome.ERROR, "22012"),
        (fact("select nothing as value, 1 as n"), Outcome.ERROR, 'column "nothing" does not exist'),
        (fact("select 1 as n"), Outcome.ERROR, 'column "value" does not exist'),
        (
            fact("select 1 as value, 1 as n", more="-- since: 20250106_1200_schema_cleanup_audit\n"),
            Outcome.PASS,
            "",
        ),
        (
            fact("select 1 as value, 1 as n", more="-- until: practice_0001\n"),
            Outcome.NOT_APPLICABLE,
            "not at this revision: until practice_0001",
        ),
    ],
)
def test_a_fact_has_an_outcome_whatever_happens(
    suite: Suite, loaded: Database, smoke: Profile, tmp_path: Path, text: str, outcome: Outcome, reason: str
) -> None:
    system = own_system(suite, tmp_path, claim=text, other=fact("select 1 as value, 1 as n"))
    claim, other = check(suite, loaded, smoke, [system])
    assert claim.outcome is outcome
    assert reason in claim.reason
    assert bool(claim.reason) == bool(reason)
    assert other.outcome is Outcome.PASS  # whatever became of the one before it


def test_a_fact_changes_nothing(suite: Suite, copy: Database, smoke: Profile, tmp_path: Path) -> None:
    with copy.connect() as conn:
        conn.execute("create sequence practice.counter")
    system = own_system(suite, tmp_path, claim=fact("select 1 as value, nextval('practice.counter') as n"))
    (claim,) = check(suite, copy, smoke, [system])
    assert claim.outcome is Outcome.ERROR
    assert "read-only transaction" in claim.reason


def test_a_value_of_a_row_does_not_reach_a_message(
    suite: Suite, loaded: Database, smoke: Profile, tmp_path: Path
) -> None:
    system = own_system(
        suite, tmp_path, claim=fact("select max(email)::int as value, count(*) as n from practice.users")
    )
    (claim,) = check(suite, loaded, smoke, [system])
    assert claim.outcome is Outcome.ERROR
    assert "@" not in claim.reason


def test_parameters_are_those_of_the_profile(suite: Suite, loaded: Database, smoke: Profile, tmp_path: Path) -> None:
    days = fact("select %(as_of)s::date - date '2025-01-01' as value, 1 as n", "= 273")
    law = fact("select 1.04 as value, %(seed)s as n", "zipf ± 0.05")
    found = check(suite, loaded, smoke, [own_system(suite, tmp_path, days=days, law=law)], seed=7)
    assert [(each.value, each.low, each.high, each.n) for each in found] == [(273, 273, 273, 1), (1.04, 0.95, 1.05, 7)]


def test_facts_are_asked_of_databases_of_ours_only(suite: Suite, database: Database, smoke: Profile) -> None:
    with database.connect() as conn:
        conn.execute("alter schema pgvitals rename to theirs")
    try:
        with pytest.raises(GuardError):
            check(suite, database, smoke, [suite.system("practice")])
    finally:
        with database.connect() as conn:
            conn.execute("alter schema theirs rename to pgvitals")


def test_a_picture_that_fails_names_its_file(suite: Suite, loaded: Database, smoke: Profile, tmp_path: Path) -> None:
    system = own_system(suite, tmp_path)
    (tmp_path / "facts" / "pictures").mkdir()
    (tmp_path / "facts" / "pictures" / "odd.sql").write_text("-- title: Odd\nselect nothing")
    with pytest.raises(FactError, match=r"odd\.sql: column \"nothing\" does not exist"):
        pictures(suite, loaded, smoke, [system])


def test_a_description_is_kept_in_a_run_directory(
    suite: Suite, loaded: Database, smoke: Profile, tmp_path: Path
) -> None:
    steps: list[tuple[int, int]] = []
    found = describe(suite, loaded, smoke, suite.select(None), progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (len(found.facts), len(found.facts))
    with RunWriter(tmp_path / "run") as writer:
        found.write(writer)
        run = Run(path=writer.path, info=None)  # type: ignore[arg-type]
        assert run.facts == found.facts
        assert set(found.pictures) == {path.stem for path in (writer.path / "pictures").glob("*")}
        for name, frame in found.pictures.items():
            assert run.picture(name).to_dict("list") == frame.to_dict("list")
        assert run.picture("no such picture").empty
    hours = found.pictures["visits_by_hour"]
    assert hours.groupby("system")["visits"].sum().to_dict() == {
        "pazpaz": smoke.sizes["pazpaz"]["appointments"],
        "portal": smoke.sizes["portal"]["appointments"],
    }
    assert set(hours["hour"]) <= {9, 10, 11, 13, 14, 15, 16}


def test_load_describe_prints_what_holds_and_fails_where_it_does_not(
    suite: Suite, copy: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(suite.root)
    for name, value in copy.environment().items():
        monkeypatch.setenv(name, value)
    words = ["load", "--profile", "smoke", "--describe"]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.output
    for said in ("Every visit is from 9 to 12", "facts hold", "When visits begin", "smallest"):
        assert said in told.output
    with copy.connect() as conn:
        conn.execute("set session_replication_role = replica")
        conn.execute("update practice.fhir_mappings set last_error = null")
    told = CliRunner().invoke(app, [*words, "--json"])
    assert told.exit_code == 1
    content = json.loads(told.stdout)
    assert content["dataset"]["profile"] == "smoke"
    wrong = [each["fact"] for each in content["facts"] if each["outcome"] == "fail"]
    assert "mapping_errors_agree" in wrong
    assert content["pictures"]["visits_by_hour"][0]["system"] == "pazpaz"
    assert content["tenants"][0]["rows"] > 0


def test_statements_leave_nothing_behind(suite: Suite, loaded: Database, smoke: Profile) -> None:
    def written() -> list[psycopg.rows.TupleRow]:
        with loaded.connect() as conn:
            return conn.execute(
                "select relname, n_tup_ins, n_tup_upd, n_tup_del from pg_stat_user_tables order by 1"
            ).fetchall()

    before = written()
    check(suite, loaded, smoke, suite.select(None))
    assert written() == before
