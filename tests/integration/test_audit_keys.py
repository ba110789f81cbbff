"""Keys: what the rules must see, and the lookalikes they must leave alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from pgvitals.audit import audit, load_rules, select_rules
from pgvitals.audit.trial import policy, statements
from pgvitals.lab import Database, Server
from pgvitals.results.audit import RuleResult
from pgvitals.results.outcome import Outcome

Ask = Callable[..., RuleResult]
RULES = load_rules()


@pytest.fixture(scope="module")
def lab(server: Server) -> Iterator[Database]:
    with server.scratch("keys") as made:
        yield made


@pytest.fixture
def ask(lab: Database) -> Iterator[Ask]:
    """Ask one rule about the schema ``rule_test`` after some more statements."""
    with lab.connect() as conn:
        conn.execute("create schema rule_test")
        conn.execute("set search_path = rule_test")

        def about(rule: str, script: str = "", **policies: object) -> RuleResult:
            if script:
                conn.execute(script)
            (chosen,) = select_rules(RULES, [rule])
            system = policy(chosen).model_copy(update=policies)
            return audit(lab.connect, [system], rules=[chosen]).results[0]

        yield about
        conn.execute("drop schema rule_test cascade")


def objects(result: RuleResult) -> list[str]:
    return [name.removeprefix("rule_test.") for finding in result.findings for name in finding.objects]


def cure(lab: Database, result: RuleResult) -> None:
    """Run what the findings print."""
    with lab.connect() as conn:
        for finding in result.findings:
            for statement in statements(finding.remediation):
                conn.execute(statement)


# KEY001: primary keys


def test_names_that_need_quotes_are_quoted_in_object_and_remediation(ask: Ask, lab: Database) -> None:
    found = ask("KEY001", 'create table "Vital Signs" ("Id" uuid not null)')
    assert found.findings[0].objects == ('rule_test."Vital Signs"',)
    cure(lab, found)
    assert ask("KEY001").outcome is Outcome.PASS


def test_a_unique_index_over_not_null_columns_is_promoted(ask: Ask, lab: Database) -> None:
    found = ask("KEY001", "create table t (a int not null, b int not null); create unique index u on t (a, b)")
    assert found.findings[0].remediation == "alter table rule_test.t add primary key using index u;"
    cure(lab, found)
    assert ask("KEY001").outcome is Outcome.PASS


@pytest.mark.parametrize(
    "index",
    [
        "create unique index u on t (a) where b > 0",
        "create unique index u on t ((a + 1))",
        "create unique index u on t (c)",
    ],
    ids=["partial", "expression", "nullable"],
)
def test_a_unique_index_that_names_no_row_is_not_promoted(ask: Ask, lab: Database, index: str) -> None:
    found = ask("KEY001", f"create table t (a int not null, b int not null, c int); {index}")
    assert "using index" not in found.findings[0].remediation
    cure(lab, found)
    assert ask("KEY001").outcome is Outcome.PASS


def test_a_descending_unique_index_is_not_promoted_but_its_columns_are(ask: Ask, lab: Database) -> None:
    found = ask("KEY001", "create table t (a int not null); create unique index u on t (a desc)")
    assert found.findings[0].remediation == "alter table rule_test.t add primary key (a);"
    cure(lab, found)
    assert ask("KEY001").outcome is Outcome.PASS


def test_a_partitioned_table_gets_a_key_that_holds_its_partition_column(ask: Ask, lab: Database) -> None:
    found = ask(
        "KEY001",
        "create table events (at timestamptz not null, what text) partition by range (at);"
        "create table events_2026 partition of events for values from ('2026-01-01') to ('2027-01-01')",
    )
    assert objects(found) == ["events"]
    cure(lab, found)
    passed = ask("KEY001")
    assert (passed.outcome, passed.checked) == (Outcome.PASS, 1)


def test_a_table_partitioned_by_an_expression_is_judged_by_its_partitions(ask: Ask) -> None:
    found = ask(
        "KEY001",
        "create table events (id uuid, at timestamptz not null)"
        " partition by range (date_part('year', at at time zone 'UTC'));"
        "create table keyed partition of events (primary key (id)) for values from (2026) to (2027);"
        "create table keyless partition of events for values from (2027) to (2028)",
    )
    assert objects(found) == ["keyless"]


def test_migration_bookkeeping_and_extension_tables_are_nobodys_model(ask: Ask) -> None:
    passed = ask(
        "KEY001", "create table alembic_version (version_num varchar(32)); create table t (id uuid primary key)"
    )
    assert (passed.outcome, passed.checked) == (Outcome.PASS, 1)


def test_a_view_and_a_foreign_key_free_child_are_told_apart(ask: Ask) -> None:
    found = ask(
        "KEY001", "create table p (id uuid primary key); create table c () inherits (p); create view v as table c"
    )
    assert objects(found) == ["c"]  # inheritance hands down no key, and the view has none to have


# KEY002: foreign keys and their indexes

PARENT = "create table clients (id uuid primary key); create table t (id uuid primary key, client_id uuid, x int);"
SINGLE = PARENT + "alter table t add constraint fk foreign key (client_id) references clients;"


@pytest.mark.parametrize(
    "index",
    [
        "create index on t (client_id)",
        "create index on t (client_id desc nulls last)",
        "create index on t (client_id, x)",
        "create index on t (client_id) include (x)",
        "create unique index on t (client_id)",
        "create index on t using hash (client_id)",
        "create extension btree_gist schema rule_test; create index on t using gist (client_id)",
    ],
)
def test_an_index_led_by_the_key_covers_it(ask: Ask, index: str) -> None:
    passed = ask("KEY002", f"{SINGLE} {index}")
    assert (passed.outcome, passed.checked, passed.evidence) == (
        Outcome.PASS,
        1,
        "foreign keys checked: 1; each has an index",
    )


@pytest.mark.parametrize(
    "index",
    [
        "create index on t (x, client_id)",
        "create index on t (x) include (client_id)",
        "create index on t ((client_id::text))",
        "create index on t using brin (client_id)",
        "create index i on t (client_id); update pg_index set indisvalid = false where indexrelid = 'i'::regclass",
    ],
)
def test_an_index_that_the_lookup_cannot_use_does_not_cover(ask: Ask, index: str) -> None:
    assert objects(ask("KEY002", f"{SINGLE} {index}")) == ["t.fk"]


def test_a_partial_index_without_null_keys_covers_and_is_told(ask: Ask) -> None:
    passed = ask("KEY002", SINGLE + "create index on t (client_id) where client_id is not null")
    assert passed.outcome is Outcome.PASS
    assert passed.evidence.endswith("each has an index; 1 by a partial index (where the key is not null)")


def test_a_partial_index_that_leaves_out_keys_does_not_cover_and_is_told(ask: Ask) -> None:
    found = ask("KEY002", SINGLE + "create index i on t (client_id) where client_id is not null and x > 0")
    assert "only partly: i where" in found.findings[0].detail


COMPOSITE = (
    "create table clients (tenant_id uuid, id uuid, primary key (tenant_id, id));"
    "create table t (id uuid primary key, tenant_id uuid, client_id uuid, x int,"
    " constraint fk foreign key (tenant_id, client_id) references clients);"
)


@pytest.mark.parametrize("columns", ["tenant_id, client_id", "client_id, tenant_id", "client_id, tenant_id, x"])
def test_a_composite_key_is_covered_in_any_order(ask: Ask, columns: str) -> None:
    assert ask("KEY002", f"{COMPOSITE} create index on t ({columns})").outcome is Outcome.PASS


@pytest.mark.parametrize("columns", ["tenant_id", "client_id", "tenant_id, x, client_id"])
def test_a_composite_key_is_not_covered_by_a_part_of_it(ask: Ask, columns: str) -> None:
    assert objects(ask("KEY002", f"{COMPOSITE} create index on t ({columns})")) == ["t.fk"]


def test_a_composite_key_is_covered_by_a_partial_index_without_its_nulls(ask: Ask) -> None:
    script = (
        COMPOSITE + "create index on t (tenant_id, client_id) where tenant_id is not null and client_id is not null"
    )
    assert ask("KEY002", script).outcome is Outcome.PASS


def test_an_index_in_another_collation_does_not_cover(ask: Ask) -> None:
    text = (
        "create table codes (code text primary key); create table t (id uuid primary key, code text references codes);"
    )
    assert objects(ask("KEY002", text + 'create index on t (code collate "POSIX")')) == ["t.t_code_fkey"]
    assert ask("KEY002", "create index on t (code text_pattern_ops)").outcome is Outcome.PASS


PARTITIONED = (
    "create table clients (id uuid primary key);"
    "create table t (gone int, client_id uuid references clients, at date) partition by range (at);"
    "alter table t drop column gone;"
    "create table a partition of t for values from ('2026-01-01') to ('2026-02-01');"
    "create table b partition of t for values from ('2026-02-01') to ('2026-03-01');"
)


def test_a_key_of_a_partitioned_table_is_told_once(ask: Ask, lab: Database) -> None:
    found = ask("KEY002", PARTITIONED)
    assert (objects(found), found.checked) == (["t.t_client_id_fkey"], 1)
    cure(lab, found)
    assert ask("KEY002").outcome is Outcome.PASS


def test_indexes_on_every_partition_cover_and_on_some_do_not(ask: Ask) -> None:
    assert objects(ask("KEY002", PARTITIONED + "create index on a (client_id)")) == ["t.t_client_id_fkey"]
    assert ask("KEY002", "create index on b (client_id)").outcome is Outcome.PASS


def test_a_key_that_refers_to_a_partitioned_table_is_told_once(ask: Ask) -> None:
    found = ask(
        "KEY002",
        "create table p (id uuid primary key) partition by hash (id);"
        "create table p0 partition of p for values with (modulus 2, remainder 0);"
        "create table p1 partition of p for values with (modulus 2, remainder 1);"
        "create table t (id uuid primary key, p_id uuid references p)",
    )
    assert (objects(found), found.checked) == (["t.t_p_id_fkey"], 1)


# KEY003: types


def test_a_narrower_text_is_a_mismatch_and_a_domain_is_not(ask: Ask, lab: Database) -> None:
    found = ask(
        "KEY003",
        "create domain ulid as varchar(26); create domain patient_ulid as ulid;"
        "create table patients (id ulid primary key);"
        "create table a (id ulid primary key, patient_id patient_ulid references patients);"
        "create table b (id ulid primary key, patient_id varchar(20) references patients)",
    )
    assert objects(found) == ["b.b_patient_id_fkey"]
    cure(lab, found)
    assert ask("KEY003").outcome is Outcome.PASS


# KEY004: SET NULL


def test_a_tenant_scoped_key_that_would_null_the_tenant_is_limited_to_the_other_column(ask: Ask, lab: Database) -> None:
    found = ask(
        "KEY004",
        "create table users (tenant_id uuid, id uuid, primary key (tenant_id, id));"
        "create table t (id uuid primary key, tenant_id uuid not null, user_id uuid,"
        " constraint fk foreign key (tenant_id, user_id) references users on delete set null)",
    )
    assert "NOT NULL: tenant_id" in found.findings[0].detail
    cure(lab, found)
    assert ask("KEY004").outcome is Outcome.PASS
    with lab.connect() as conn:
        definition = "select pg_get_constraintdef(oid) from pg_constraint where conname = 'fk'"
        assert "SET NULL (user_id)" in str(conn.execute(definition).fetchone())


def test_a_column_of_the_primary_key_restricts_instead(ask: Ask, lab: Database) -> None:
    found = ask(
        "KEY004",
        "create table users (id uuid primary key);"
        "create table profiles (user_id uuid primary key references users on delete set null on update set null)",
    )
    assert found.findings[0].detail.startswith("ON DELETE and ON UPDATE SET NULL")
    cure(lab, found)
    assert ask("KEY004").outcome is Outcome.NOT_APPLICABLE


def test_a_nullable_column_and_other_actions_are_left_alone(ask: Ask) -> None:
    passed = ask(
        "KEY004",
        "create table users (id uuid primary key);"
        "create table t (a uuid references users on delete set null,"
        " b uuid not null references users on delete cascade)",
    )
    assert (passed.outcome, passed.checked) == (Outcome.PASS, 1)


# KEY005: references without a foreign key

TABLES = "create table users (id uuid primary key); create table policies (id uuid primary key);"


@pytest.mark.parametrize(
    ("column", "target"),
    [
        ("user_id uuid", "users"),
        ("created_by_user_id uuid", "users"),
        ("policy_id uuid", "policies"),
        ("parent_id uuid", "visit_notes"),
        ("parent_note_id uuid", "visit_notes"),
        ("previous_visit_note_id uuid", "visit_notes"),
    ],
)
def test_a_column_named_like_a_reference_is_told_with_its_table(
    ask: Ask, lab: Database, column: str, target: str
) -> None:
    found = ask("KEY005", f"{TABLES} create table visit_notes (id uuid primary key, {column})")
    assert objects(found) == [f"visit_notes.{column.split()[0]}"]
    assert f"refers to rule_test.{target} (id)" in found.findings[0].detail
    cure(lab, found)
    assert ask("KEY005").outcome is Outcome.PASS


@pytest.mark.parametrize(
    "columns",
    [
        "user_id text",
        "external_user_id uuid",
        "user_id uuid, user_type text",
        "correlation_id uuid",
        "visit_id uuid",
        "superuser_id uuid",
        "visit_note_id uuid",
    ],
    ids=["other type", "external", "polymorphic", "no such table", "own noun", "part of a word", "own name"],
)
def test_a_column_that_only_looks_like_a_reference_is_left_alone(ask: Ask, columns: str) -> None:
    result = ask("KEY005", f"{TABLES} create table visit_notes (id uuid primary key, {columns})")
    assert result.outcome is Outcome.NOT_APPLICABLE


def test_a_composite_foreign_key_counts_and_a_partition_is_its_table(ask: Ask) -> None:
    passed = ask(
        "KEY005",
        "create table users (id uuid primary key, tenant_id uuid, unique (tenant_id, id));"
        "create table t (user_id uuid, tenant_id uuid,"
        " foreign key (tenant_id, user_id) references users (tenant_id, id))"
        " partition by list (tenant_id); create table t0 partition of t default",
    )
    assert (passed.outcome, passed.checked) == (Outcome.PASS, 1)


# KEY006 and KEY007: the convention


def test_a_ulid_is_26_characters_and_nothing_else(ask: Ask) -> None:
    found = ask(
        "KEY006",
        "create domain key as char(26); create table a (id varchar(26) primary key);"
        "create table b (id key primary key);"
        "create table c (id text primary key); create table d (id uuid primary key)",
        primary_key="ulid",
    )
    assert objects(found) == ["c", "d"]
    assert found.findings[0].remediation == "alter table rule_test.c alter column id type varchar(26);"


def test_junction_tables_and_shared_tables_keep_their_keys(ask: Ask) -> None:
    passed = ask(
        "KEY006",
        "create table a (user_id uuid, n int, primary key (user_id, n));"
        "create table countries (code char(2) primary key)",
        shared_tables=("countries",),
    )
    assert (passed.outcome, passed.checked) == (Outcome.PASS, 1)


def test_a_serial_key_becomes_a_uuid_and_what_refers_to_it_is_named(ask: Ask, lab: Database) -> None:
    found = ask("KEY006", "create table a (id bigserial primary key); insert into a default values")
    cure(lab, found)
    assert ask("KEY006").outcome is Outcome.PASS
    again = ask(
        "KEY006", "create table b (id int primary key); create table c (id uuid primary key, b_id int references b)"
    )
    assert again.findings[0].remediation.startswith("-- first move what refers to it: c_b_id_fkey of rule_test.c\n")


@pytest.mark.parametrize(
    "column",
    ["n bigserial", "n int generated by default as identity", "n int generated always as identity"],
)
def test_every_kind_of_sequence_beside_the_key_is_told(ask: Ask, lab: Database, column: str) -> None:
    found = ask("KEY007", f"create table t (id varchar(26) primary key, {column})")
    assert objects(found) == ["t.n"]
    cure(lab, found)
    assert ask("KEY007").outcome is Outcome.PASS
    with lab.connect() as conn:
        conn.execute("insert into rule_test.t (id) values ('01')")


def test_a_plain_default_is_no_sequence(ask: Ask) -> None:
    assert ask("KEY007", "create table t (id varchar(26) primary key, n int default 7)").outcome is Outcome.PASS


def test_set_null_on_a_not_null_column_really_fails_when_it_is_needed(ask: Ask, lab: Database) -> None:
    script = (
        "create table users (id uuid primary key);"
        "create table t (user_id uuid not null references users on delete set null);"
        "insert into users values (gen_random_uuid()); insert into t select id from users"
    )
    found = ask("KEY004", script)
    with lab.connect() as conn:
        with pytest.raises(psycopg.errors.NotNullViolation):
            conn.execute("delete from rule_test.users")
        cure(lab, found)
        conn.execute("delete from rule_test.users")
