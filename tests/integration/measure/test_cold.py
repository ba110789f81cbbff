"""Cold-cache mode on a real server: what is emptied, what is counted, what is refused, what is left behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pgvitals import job
from pgvitals.errors import LabError
from pgvitals.lab import Database, Server
from pgvitals.lab.fingerprint import hardware
from pgvitals.measure.cold import ColdFound, measure_cold
from pgvitals.measure.cold_caches import caches_of, disk_bytes, require_reachable
from pgvitals.report.cold_review import emptied_told
from pgvitals.report.export import render_json
from pgvitals.report.html import render_html
from pgvitals.report.markdown import render_markdown
from pgvitals.request import Request
from pgvitals.results.records import RunInfo
from pgvitals.results.rundir import RunWriter, load_run
from pgvitals.suite import Suite
from pgvitals.terminal import Terminal

MakeSuite = Callable[[Mapping[str, str]], Suite]

HEAD = "-- title: t\n-- budget_p95_ms: 100\n-- params: select tenant_id, id from meter.items\n"
BY_ID = f"{HEAD}select name from meter.items where id = %(id)s and tenant_id = %(tenant_id)s\n"
RENAME = f"{HEAD}-- ends: rollback\nupdate meter.items set name = 'new' where id = %(id)s\n"
ROUNDS = 6


@pytest.fixture(scope="module")
def found(server: Server, shared: Database, meter: MakeSuite) -> tuple[ColdFound, str, str]:
    """One measurement of a lookup and a write, and the rows before and after it."""
    with shared.connect() as conn:
        conn.execute("grant update on meter.items to meter_app")
        count = "select md5(string_agg(i::text, ',' order by id)) from meter.items i"
        before = str(conn.execute(count).fetchone())
        suite = meter({"by_id": BY_ID, "rename": RENAME})
        systems = list(suite.systems.values())
        made = measure_cold(suite, server, shared, systems, Terminal(quiet=True), seed=1, rounds=ROUNDS)
        return made, before, str(conn.execute(count).fetchone())


def test_every_execution_reads_its_blocks_anew_and_none_was_left(found: tuple[ColdFound, str, str]) -> None:
    samples = found[0].samples
    assert len(samples) == 2 * ROUNDS
    assert (samples["blocks_read"] >= 2).all()  # a page of an index and one of the table
    assert (samples["blocks_read"] <= samples["blocks"]).all()
    assert not samples["pages_left"].any()
    assert not samples["buffers_left"].any()
    lookup = samples[samples["query"] == "by_id"]
    assert (lookup["rows"] == 1).all()
    read = lookup["disk_bytes"].dropna()
    assert (read >= 8192 * lookup["blocks_read"][read.index]).all()


def test_the_record_stands_on_the_samples(found: tuple[ColdFound, str, str]) -> None:
    cold, samples = found[0].cold, found[0].samples
    assert cold.rounds == ROUNDS
    assert {each.query: each.ends for each in cold.lookups} == {"by_id": "commit", "rename": "rollback"}
    for each in cold.lookups:
        times = samples[samples["query"] == each.query]["cold_ns"] / 1e6
        assert each.cold_ms == pytest.approx(times.median())
        assert each.cold_min_ms == times.min() <= each.cold.low <= each.cold_ms <= each.cold.high <= each.cold_max_ms
        assert each.ratio_interval.low <= each.ratio <= each.ratio_interval.high
        assert each.warm_ms > 0
    assert cold.pages * 4096 >= cold.relations_bytes > 0


def test_rows_are_as_they_were_and_nothing_is_left_behind(
    found: tuple[ColdFound, str, str], server: Server, shared: Database
) -> None:
    assert found[1] == found[2]
    assert not [name for name in server.refresh().databases if "cold" in name]
    with shared.connect() as conn:
        extensions = {str(name) for (name,) in conn.execute("select extname from pg_extension").fetchall()}
        off = conn.execute("select count(*) from pg_class where reloptions::text like '%autovacuum%'").fetchone()
    assert "pg_buffercache" not in extensions
    assert off == (0,)


def test_the_reports_show_it_apart_from_the_gate(found: tuple[ColdFound, str, str], tmp_path: Path) -> None:
    cold = found[0].cold
    with RunWriter(tmp_path / "run") as writer:
        info = RunInfo(
            name="run", started_utc="2025-10-01T10:15:00Z", command="pgvitals bench --cold", config={}, phases={},
            durations_s={}, versions={}, git_revision=None, hardware=hardware(),
        )  # fmt: skip
        writer.write("run.json", info)
        writer.write("cold.json", cold)
        writer.commit()
    run = load_run(tmp_path / "run")
    assert run.cold == cold
    assert run.gate is None
    for report in (render_markdown(run), render_html(run)):
        assert "Cold caches" in report
        assert "rename" in report
        assert emptied_told(cold) in report
    assert '"blocks_read"' in render_json(run)
    left = emptied_told(replace(cold, pages_left=3, buffers_left=1))
    assert "at most 3 of them were left (" in left
    assert ", and 1 buffer of the server" in left


def test_toast_and_every_fork_are_among_the_files(server: Server, metered: Database) -> None:
    with metered.connect() as conn:
        conn.execute("create table meter.notes (id int primary key, body text)")
        conn.execute("alter table meter.notes alter column body set storage external")
        conn.execute("insert into meter.notes select i, repeat('x', 9000) from generate_series(1, 50) i")
        conn.execute("vacuum meter.notes")
        toast = conn.execute(
            "select pg_relation_filenode(reltoastrelid) from pg_class where oid = 'meter.notes'::regclass"
        ).fetchone()
        assert toast is not None
        with caches_of(server, metered, ["meter"]) as caches:
            names = {path.name for path in caches["meter"].files}
            assert {f"{toast[0]}", f"{toast[0]}_vm", f"{toast[0]}_fsm"} <= names
            assert not [path for path in caches["meter"].files if not path.is_file()]
            left = caches["meter"].empty()
    assert (left.buffers, left.pages) == (0, 0)


@pytest.mark.parametrize(("kind", "whose"), [("container", "a container"), ("external", "somebody's server")])
def test_a_server_whose_files_are_out_of_reach_is_refused(kind: str, whose: str) -> None:
    with pytest.raises(LabError, match=f"the files of {whose} are out of reach; .*--cold --postgres embedded"):
        require_reachable(kind)


def test_a_container_is_refused_before_anything_is_loaded(meter: MakeSuite, tmp_path: Path) -> None:
    suite = meter({"by_id": BY_ID})
    request = Request(
        suite=suite,
        asked_profile=None,
        asked_seed=None,
        systems=tuple(suite.systems.values()),
        postgres="container",
        command="pgvitals bench --cold",
        out=tmp_path / "run",
        terminal=Terminal(quiet=True),
    )
    with pytest.raises(LabError, match="out of reach"):
        job.cold(request)
    assert list(tmp_path.iterdir()) == []


def test_what_the_disk_gave_only_grows(server: Server) -> None:
    first, second = disk_bytes(server), disk_bytes(server)
    assert first is None or (second is not None and second >= first)
