"""Indexes: what the rules must see, and the lookalikes they must leave alone."""

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
REDUNDANT = ("IDX001", "IDX002", "IDX003")
TABLE = "create table t (id uuid primary key, a int, b int, c text, d int4range);"


@pytest.fixture(scope="module")
def lab(server: Server) -> Iterator[Database]:
    with server.scratch("indexes") as made:
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


def told(ask: Ask, script: str) -> dict[str, list[str]]:
    """What the three rules about redundancy say, by rule, after ``script``."""
    ask("IDX005", script)
    return {rule: names for rule in REDUNDANT if (names := objects(ask(rule)))}


def cure(lab: Database, result: RuleResult) -> None:
    """Run what the findings print."""
    with lab.connect() as conn:
        for finding in result.findings:
            for statement in statements(finding.remediation):
                conn.execute(statement)


# IDX001 to IDX003: redundancy


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("t (a)", "t (a) where b > 0"),
        ("t (a) where b > 1", "t (a) where b > 0"),
        ("t (a, b) where b > 1", "t (a) where b > 0"),
        ("t (a)", "t (a desc)"),
        ("t (a, b)", "t (a nulls first)"),
        ("t (c)", "t (c text_pattern_ops)"),
        ("t (c, a)", "t (c text_pattern_ops)"),
        ("t (c)", 't (c collate "C")'),
        ("t (c, a)", 't (c collate "C")'),
        ("t (c)", "t using hash (c)"),
        ("t (c, a)", "t using hash (c)"),
        ("t using gist (d)", "t using btree (d)"),
        ("t (lower(c))", "t (upper(c))"),
        ("t (lower(c), a)", "t (c)"),
        ("t (a, b)", "t (b, a)"),
        ("t (a, b)", "t (b)"),
        ("t (a, b)", "t (a) include (c)"),
        ("t (a) include (b)", "t (a) include (c)"),
        ("t using brin (a) with (pages_per_range = 8)", "t using brin (a)"),
        ("t using gist (d)", "t using gist (d range_ops, (int4range(a, b)))"),
    ],
)
@pytest.mark.parametrize("turned", [False, True], ids=["", "turned"])
def test_indexes_that_differ_in_what_they_answer_are_left_alone(
    ask: Ask, first: str, second: str, turned: bool
) -> None:
    if turned:
        first, second = second, first
    assert told(ask, f"{TABLE} create index i1 on {first}; create index i2 on {second}") == {}


@pytest.mark.parametrize("what", ["t (a)", "t (lower(c), a) where b > 0", "t (a) include (c, b)", "t using gist (d)"])
def test_the_younger_of_two_equal_indexes_is_told_once(ask: Ask, what: str) -> None:
    assert told(ask, f"{TABLE} create index older on {what}; create index younger on {what}") == {"IDX001": ["younger"]}


def test_of_three_equal_indexes_two_are_told(ask: Ask, lab: Database) -> None:
    script = f"{TABLE} create index i1 on t (a); create index i2 on t (a); create index i3 on t (a)"
    assert told(ask, script) == {"IDX001": ["i2", "i3"]}
    cure(lab, ask("IDX001"))
    assert told(ask, "select") == {}


def test_an_index_that_backs_a_constraint_stays(ask: Ask, lab: Database) -> None:
    script = f"{TABLE} create unique index first on t (a); alter table t add constraint second unique (a)"
    assert told(ask, script) == {"IDX001": ["first"]}
    cure(lab, ask("IDX001"))
    assert told(ask, "select") == {}


def test_a_second_unique_constraint_is_dropped_as_a_constraint(ask: Ask, lab: Database) -> None:
    assert told(ask, f"{TABLE} alter table t add constraint twice unique (id)") == {"IDX001": ["twice"]}
    assert ask("IDX001").findings[0].remediation == "alter table rule_test.t drop constraint twice;"
    cure(lab, ask("IDX001"))
    assert told(ask, "select") == {}


def test_a_constraint_that_a_foreign_key_relies_on_is_not_told(ask: Ask) -> None:
    # With two candidates PostgreSQL picks by itself; the primary key is made after the constraint here.
    script = (
        "create table p (id uuid not null, constraint u unique (id));"
        "create table c (p_id uuid references p (id)); alter table p add primary key (id)"
    )
    assert told(ask, script) == {}


def test_deferred_and_immediate_uniqueness_are_not_the_same(ask: Ask) -> None:
    script = f"{TABLE} create unique index now on t (a); alter table t add constraint later unique (a) deferrable"
    assert told(ask, script) == {}


def test_an_exclusion_constraint_makes_a_plain_index_redundant_and_not_the_reverse(ask: Ask) -> None:
    script = f"{TABLE} create index plain on t using gist (d); alter table t add exclude using gist (d with &&)"
    assert told(ask, script) == {"IDX001": ["plain"]}


@pytest.mark.parametrize("include", ["", " include (b)"])
def test_a_plain_index_beside_a_unique_one_is_told(ask: Ask, lab: Database, include: str) -> None:
    script = f"{TABLE} create unique index u on t (a){include}; create index plain on t (a)"
    assert told(ask, script) == {"IDX002": ["plain"]}
    cure(lab, ask("IDX002"))
    assert told(ask, "select") == {}


def test_two_plain_indexes_beside_a_unique_one_are_told_once_each(ask: Ask) -> None:
    script = f"{TABLE} create unique index u on t (a); create index i1 on t (a); create index i2 on t (a)"
    assert told(ask, script) == {"IDX002": ["i1", "i2"]}


@pytest.mark.parametrize(
    "unique",
    ["unique index u on t (a) where b > 0", "unique index u on t (b, a)", "unique index u on t (a desc)"],
)
def test_a_unique_index_that_answers_less_makes_nothing_redundant(ask: Ask, unique: str) -> None:
    assert told(ask, f"{TABLE} create {unique}; create index plain on t (a)") == {}


def test_a_unique_index_is_never_a_redundant_beginning(ask: Ask) -> None:
    assert told(ask, f"{TABLE} create unique index u on t (a); create index i on t (a, b)") == {}


def test_a_chain_of_beginnings_leaves_the_longest(ask: Ask, lab: Database) -> None:
    script = f"{TABLE} create index i1 on t (a); create index i2 on t (a, b); create index i3 on t (a, b, c)"
    assert told(ask, script) == {"IDX003": ["i1", "i2"]}
    assert all("rule_test.i3 (a, b, c)" in finding.detail for finding in ask("IDX003").findings)
    cure(lab, ask("IDX003"))
    assert told(ask, "select") == {}


def test_an_equal_pair_that_begins_a_longer_one_is_told_once_each(ask: Ask) -> None:
    script = f"{TABLE} create index i1 on t (a); create index i2 on t (a); create index i3 on t (a, b)"
    assert told(ask, script) == {"IDX001": ["i2"], "IDX003": ["i1"]}


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("t (a) include (b)", "t (a, b)"),
        ("t (a)", "t (a) include (b)"),
        ("t (a) include (b)", "t (a) include (c, b)"),
        ("t (lower(c)) where b > 0", "t (lower(c), a) where b > 0"),
        ("t (a desc)", "t (a desc, b)"),
    ],
)
def test_a_beginning_is_told_where_the_longer_one_answers_all_of_it(ask: Ask, short: str, long: str) -> None:
    script = f"{TABLE} create index short on {short}; create index long on {long}"
    assert told(ask, script) == {"IDX003": ["short"]}


def test_an_invalid_index_makes_nothing_redundant(ask: Ask) -> None:
    script = (
        f"{TABLE} create index i1 on t (a); create index i2 on t (a, b);"
        "update pg_index set indisvalid = false where indexrelid = 'i2'::regclass"
    )
    assert told(ask, script) == {}


PARTITIONED = (
    "create table p (a int, b int) partition by range (a);"
    "create table p0 partition of p for values from (0) to (10);"
    "create table p1 partition of p for values from (10) to (20);"
)


def test_a_partitioned_index_is_told_once_and_dropped_as_a_whole(ask: Ask, lab: Database) -> None:
    script = f"{PARTITIONED} create index i1 on p (a); create index i2 on p (a); create index i3 on p (a, b)"
    assert told(ask, script) == {"IDX001": ["i2"], "IDX003": ["i1"]}
    for rule in ("IDX001", "IDX003"):
        cure(lab, ask(rule))
    assert told(ask, "select") == {}


def test_an_index_of_one_partition_that_repeats_the_partitioned_one_is_told(ask: Ask, lab: Database) -> None:
    assert told(ask, f"{PARTITIONED} create index on p (a); create index own on p0 (a)") == {"IDX001": ["own"]}
    cure(lab, ask("IDX001"))
    assert told(ask, "select") == {}


def test_indexes_of_an_inheritance_child_are_its_own(ask: Ask) -> None:
    assert (
        told(ask, f"{TABLE} create table child () inherits (t); create index i1 on t (a); create index i2 on child (a)")
        == {}
    )


# IDX004: unused


WORKLOAD = """
insert into t (id, a, b) select gen_random_uuid(), n, n from generate_series(1, 1000) as n;
set enable_seqscan = off;
do $$ begin for n in 1 .. 150 loop perform from t where a = n; end loop; end $$;
select pg_stat_force_next_flush();
"""


def test_an_index_is_unused_only_where_there_is_a_workload(ask: Ask) -> None:
    script = f"{TABLE} create index used on t (a); create index unused on t (b); create index cold on t (c)"
    silent = ask("IDX004", script)
    assert silent.outcome is Outcome.NOT_APPLICABLE
    assert silent.evidence.startswith("no workload yet")
    found = ask("IDX004", WORKLOAD)
    assert objects(found) == ["cold", "unused"]
    assert found.checked == 3
    assert "none of the 150 index scans" in found.findings[0].detail


TENANTS = f"""
create table workspaces (id int primary key, name text);
create index idle on workspaces (name);
{TABLE}
alter table t add workspace_id int references workspaces;
create index by_workspace_a on t (workspace_id, a);
create index by_workspace on t (workspace_id);
create index by_workspace_b on t (workspace_id, b);
create index used on t (a);
"""


def test_of_the_indexes_that_a_tenant_leads_the_foreign_key_needs_only_the_smallest(ask: Ask, lab: Database) -> None:
    found = ask("IDX004", TENANTS + WORKLOAD)
    assert objects(found) == ["by_workspace_a", "by_workspace_b"]
    assert found.evidence.startswith(
        "indexes that are only there to be read checked: 3; violations: 2;"
        " not judged: 2 enforcing something, 1 needed by foreign keys (one each),"
        " 1 on tables with fewer than 100 index scans; since "
    )
    cure(lab, found)
    assert ask("KEY002").outcome is Outcome.PASS
    assert objects(ask("IDX004")) == []


@pytest.mark.parametrize(
    "stays",
    [
        "create unique index enforces on t (workspace_id, id)",
        "create index answers on t (workspace_id, c) include (d);"
        "do $$ begin for n in 1 .. 150 loop perform from t where workspace_id = 1 and c = 'x'; end loop; end $$",
    ],
    ids=["it enforces something", "it was used"],
)
def test_a_foreign_key_needs_no_index_beside_one_that_stays(ask: Ask, lab: Database, stays: str) -> None:
    found = ask("IDX004", f"set enable_seqscan = off; {TENANTS} {stays}; {WORKLOAD}")
    assert objects(found) == ["by_workspace", "by_workspace_a", "by_workspace_b"]
    cure(lab, found)
    assert ask("KEY002").outcome is Outcome.PASS


def test_where_every_index_is_needed_the_evidence_says_for_what(ask: Ask) -> None:
    script = (
        f"{TABLE} create unique index used on t (a); create table p (id int primary key);"
        "alter table t add p_id int references p; create index on t (p_id)"
    )
    result = ask("IDX004", f"{script}; {WORKLOAD}")
    assert (result.outcome, result.evidence) == (
        Outcome.NOT_APPLICABLE,
        "no index to judge; not judged: 3 enforcing something, 1 needed by foreign keys (one each)",
    )


def test_an_index_that_enforces_or_supports_a_foreign_key_is_not_judged(ask: Ask) -> None:
    script = (
        f"{TABLE} create index used on t (a); create unique index u on t (b); create table p (id int primary key);"
        "alter table t add p_id int references p; create index on t (p_id);"
        "alter table t add exclude using gist (d with &&)"
    )
    passed = ask("IDX004", script + ";" + WORKLOAD)
    assert (passed.outcome, passed.checked) == (Outcome.PASS, 1)


def test_loading_rows_that_refer_to_others_is_no_workload(ask: Ask) -> None:
    script = (
        f"{TABLE} create index unused on t (a); create table c (t_id uuid references t);"
        "insert into t (id) select gen_random_uuid() from generate_series(1, 500);"
        "insert into c select id from t; select pg_stat_force_next_flush()"
    )
    assert ask("IDX004", script).outcome is Outcome.NOT_APPLICABLE


def test_the_age_of_the_statistics_is_told(ask: Ask, lab: Database) -> None:
    ask("IDX004", f"{TABLE} create index used on t (a)")
    with lab.connect() as conn:
        conn.execute("select pg_stat_reset()")
    assert "since the statistics were reset at 20" in ask("IDX004", WORKLOAD).evidence


def test_scans_of_one_partition_count_for_the_whole_index(ask: Ask) -> None:
    script = f"{PARTITIONED} create index used on p (a); create index unused on p (b); insert into p select 1, 1;"
    workload = WORKLOAD.splitlines()[2:]
    found = ask("IDX004", script + "\n".join(workload).replace("from t where a = n", "from p where a = 1"))
    assert objects(found) == ["unused"]


# IDX005: invalid


def test_a_concurrent_build_that_failed_is_found_and_cured(ask: Ask, lab: Database) -> None:
    ask("IDX005", f"{TABLE} insert into t (id, a) select gen_random_uuid(), 1 from generate_series(1, 2)")
    with lab.connect() as conn, pytest.raises(psycopg.errors.UniqueViolation):
        conn.execute("create unique index concurrently u on rule_test.t (a)")
    found = ask("IDX005")
    assert objects(found) == ["u"]
    assert "enforces no uniqueness" in found.findings[0].detail
    ask("IDX005", "update t set a = 2 where ctid = '(0,1)'")
    cure(lab, found)
    assert ask("IDX005").outcome is Outcome.PASS


def test_a_partitioned_index_without_all_its_parts_is_found_and_cured(ask: Ask, lab: Database) -> None:
    found = ask("IDX005", f"{PARTITIONED} create index i on only p (a)")
    assert objects(found) == ["i"]
    cure(lab, found)
    assert ask("IDX005").outcome is Outcome.PASS


def test_what_a_failed_reindex_left_is_dropped(ask: Ask, lab: Database) -> None:
    script = (
        f"{TABLE} create index i on t (a); create index i_ccnew on t (a);"
        "update pg_index set indisvalid = false where indexrelid = 'i_ccnew'::regclass"
    )
    found = ask("IDX005", script)
    assert found.findings[0].remediation == "drop index concurrently rule_test.i_ccnew;"
    cure(lab, found)
    assert ask("IDX005").outcome is Outcome.PASS


# IDX006: few values

ROWS = (
    "insert into t (id, a, b, c) select gen_random_uuid(), n, n % 3, case when n % 100 = 0 then 'rare' else 'usual' end"
    " from generate_series(1, 12000) as n; analyze t;"
)


@pytest.mark.parametrize(
    "index",
    ["t (c)", "t (a)", "t (b) where b = 1", "t (b, a)", "t using hash (b)"],
    ids=["a rare value", "many values", "partial", "more columns", "hash"],
)
def test_an_index_that_can_pay_is_left_alone(ask: Ask, index: str) -> None:
    result = ask("IDX006", f"{TABLE} create index i on {index}; {ROWS}")
    assert result.findings == ()


def test_few_values_in_a_tenant_or_foreign_key_column_are_no_fault(ask: Ask) -> None:
    script = f"{TABLE} create index i on t (b); {ROWS}"
    assert objects(ask("IDX006", script)) == ["i"]
    assert ask(
        "IDX006", "create table p as select n as id from generate_series(0, 2) as n; alter table p add primary key (id)"
    ).findings
    assert ask("IDX006", "alter table t add foreign key (b) references p").outcome is Outcome.NOT_APPLICABLE


def test_a_first_column_of_one_value_is_told_whatever_follows(ask: Ask) -> None:
    found = ask("IDX006", f"{TABLE} create index i on t (b, a); {ROWS} update t set b = 7; analyze t")
    assert objects(found) == ["i"]
    assert "b holds one value in 12000 rows" in found.findings[0].detail
    assert "7" not in found.findings[0].detail


def test_without_statistics_or_rows_there_is_no_verdict(ask: Ask) -> None:
    result = ask("IDX006", f"{TABLE} create index i on t (b)")
    assert result.outcome is Outcome.NOT_APPLICABLE
    assert "ANALYZE" in result.evidence
