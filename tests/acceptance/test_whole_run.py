"""The main job on the smoke profile: every file there, whole, and in agreement with the others."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pgvitals.load.histogram import read_log
from pgvitals.query import Query
from pgvitals.results.rundir import SAMPLE_COLUMNS, Run, load_run
from pgvitals.revisions import choose
from pgvitals.suite import Suite

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
FILES = {
    *("run.json", "samples.parquet", "latency.json", "index_usage.parquet", "audit.json", "audit.sarif", "impact.json"),
    *("load.json", "load.hlog", "junit.xml", "report.html", "report.md", "report.json", "audit_history.parquet"),
    *("tenants.parquet", "columns.parquet", "facts.json", "pictures", "pytest-benchmark.json", "plans", "notebooks"),
}


@pytest.fixture(scope="module")
def run(whole) -> Run:
    """The run directory, read back."""
    return load_run(whole.path)


@pytest.fixture(scope="module")
def queries(run: Run, suite: Suite) -> tuple[Query, ...]:
    """The queries for the revisions that were measured."""
    assert run.info.dataset is not None
    return choose(suite, suite.queries, run.info.dataset.revisions).queries


@pytest.fixture(scope="module")
def samples(whole) -> pd.DataFrame:
    """The samples, read with pandas alone."""
    return pd.read_parquet(whole.path / "samples.parquet")


def strict(path: Path) -> Any:
    """JSON without NaN or Infinity."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{path}: {constant} is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_it_ends_with_the_exit_code_of_the_gate(whole, run: Run) -> None:
    assert run.gate is not None
    assert whole.done.returncode == {"pass": 0, "fail": 1, "inconclusive": 3}[run.gate.outcome]
    assert "Traceback" not in whole.done.stderr


def test_stdout_ends_with_verdicts_and_the_path_of_the_report(whole, run: Run, queries: tuple[Query, ...]) -> None:
    shown = whole.done.stdout
    assert run.gate is not None
    for query in queries:
        assert f"\n{query.key} " in shown
    assert f"\ngate {run.gate.outcome}: {run.gate.reason}\n" in shown
    assert "\nload test " in shown
    assert "\naudit: " in shown
    assert "\nimpact of 20250106_1200_schema_cleanup_audit: " in shown
    assert shown.splitlines()[-1] == f"report: {whole.path / 'report.html'}"


def test_progress_goes_to_stderr_step_by_step(whole, queries: tuple[Query, ...]) -> None:
    said = whole.done.stderr.splitlines()
    measure = f"measure {len(queries)} lookups"
    for step in ("start a server", "migrate pazpaz", "load pazpaz", "vacuum", measure, "explain"):
        assert any(line.startswith(f"✓ {step}") for line in said), step
    assert "· embedded server: asked for with --postgres embedded" in said


def test_every_file_is_there_and_nothing_half_written(whole) -> None:
    assert {path.name for path in whole.path.iterdir()} == FILES
    assert [path.name for path in whole.path.parent.iterdir()] == ["run"]
    assert [path for path in whole.path.rglob("*") if path.is_file() and path.stat().st_size == 0] == []


def test_nothing_is_left_running_or_lying_about(whole, repository) -> None:
    marks = [line for line in repository.leftovers() if str(repository.home) in line]
    assert marks == []


def test_run_json_says_what_was_run_on_what(whole, suite: Suite) -> None:
    info = strict(whole.path / "run.json")
    assert info["format_version"] == 1
    assert info["command"] == f"pgvitals run --profile smoke --postgres embedded --out {whole.path}"
    assert info["phases"] == {
        "dataset": "done", "bench": "done", "load": "done", "audit": "done", "impact": "done", "notebooks": "done",
        "claims": info["phases"]["claims"],
    }  # fmt: skip
    assert info["phases"]["claims"].startswith("skipped: ")
    assert info["durations_s"].keys() == {"dataset", "bench", "load", "audit", "impact", "notebooks"}
    assert all(seconds > 0 for seconds in info["durations_s"].values())
    assert info["started_utc"] < info["finished_utc"]
    assert re.fullmatch(r"[0-9a-f]{12}\+?", info["git_revision"])
    assert info["config"]["profile"] == "smoke"
    assert info["config"]["systems"] == list(suite.systems)
    assert info["config"]["plan"]["measure"]["batches"] == suite.profiles.get("smoke").measure.batches


def test_run_json_holds_server_machine_noise_and_versions(whole) -> None:
    info = strict(whole.path / "run.json")
    server, hardware, noise = info["server"], info["hardware"], info["noise"]
    assert (server["kind"], server["transport"]) == ("embedded", "unix")
    assert server["version"].startswith("PostgreSQL ")
    assert server["version_num"] // 10_000 == int(re.findall(r"\d+", server["version"])[0])
    assert {"fsync", "shared_buffers", "synchronous_commit", "jit"} <= server["settings"].keys()
    assert server["settings"]["fsync"] == "on"
    assert hardware["cores"] >= 1
    assert hardware["memory_bytes"] > 2**28
    assert hardware["kernel"].startswith("Linux ")
    assert hardware["cpu_model"]
    assert 1 <= noise["canary_median_ratio"] <= noise["canary_worst_ratio"]
    assert {"python", "pgvitals", "psycopg", "pyarrow", "pytest-benchmark", "locust", "libpq"} <= info[
        "versions"
    ].keys()


def test_run_json_holds_the_dataset_as_it_was_loaded(whole, suite: Suite) -> None:
    dataset = strict(whole.path / "run.json")["dataset"]
    profile = suite.profiles.get("smoke")
    rows = {(table["system"], table["table"]): table["rows"] for table in dataset["tables"]}
    assert (dataset["profile"], dataset["seed"]) == ("smoke", profile.seed)
    assert rows["pazpaz", "appointments"] == profile.sizes["pazpaz"]["appointments"]
    assert rows["practice", "auth_tokens"] == profile.sizes["practice"]["auth_tokens"]
    assert re.fullmatch(r"[0-9a-f]{64}", dataset["checksum"])
    assert dataset["revisions"].keys() == set(suite.systems)
    assert all(table["size_bytes"] > 0 for table in dataset["tables"])


def test_every_query_has_samples_a_verdict_a_plan_and_a_second_instrument(
    run: Run, samples: pd.DataFrame, suite: Suite, queries: tuple[Query, ...]
) -> None:
    keys = {query.key for query in queries}
    plan = suite.profiles.get("smoke").measure
    assert list(samples.columns) == list(SAMPLE_COLUMNS)
    assert set(samples["system"] + "/" + samples["query"]) == keys
    assert run.gate is not None
    assert {f"{each.system}/{each.query}" for each in run.gate.queries} == keys
    assert run.gate.left_out.keys() == {query.key for query in suite.queries} - keys
    assert run.plans.keys() == keys
    assert set(samples["arm"]) == {"", "pytest-benchmark", "largest tenant", "middle tenant", "smallest tenant"}
    second = samples[samples["arm"] == "pytest-benchmark"].groupby(["system", "query"]).size()
    assert set(second) == {plan.pytest_rounds}
    assert run.gate is not None
    batches = {(each.system, each.query): 12 if each.settled else plan.batches for each in run.gate.queries}
    for key, own in samples[(samples["arm"] == "") & (samples["attempt"] == 1)].groupby(["system", "query"]):
        sizes = own.groupby("batch").size().tolist()
        assert sizes == [plan.batch_size] * len(sizes)
        assert batches[key] <= len(sizes) <= plan.batches


def test_numbers_of_latency_json_are_those_of_the_samples(run: Run, samples: pd.DataFrame) -> None:
    assert run.gate is not None
    for each in run.gate.queries:
        own = samples[(samples["arm"] == "") & (samples["system"] == each.system) & (samples["query"] == each.query)]
        assert each.n == len(own)
        assert each.batches == len(own.groupby(["attempt", "batch"]))
        assert each.valid_batches == len(own[own["valid"]].groupby(["attempt", "batch"]))
        assert each.max_ms == own["latency_ns"].max() / 1e6
        assert each.attempts == own["attempt"].max()
        judged = own if "under disturbance" in each.reason or not each.valid_batches else own[own["valid"]]
        for value, column, share in (
            (each.p50_ms, "latency_ns", 0.50),
            (each.p95_ms, "latency_ns", 0.95),
            (each.p99_ms, "latency_ns", 0.99),
            (each.request_p95_ms, "request_ns", 0.95),
        ):
            expected = np.quantile(judged[column].to_numpy() / 1e6, share, method="median_unbiased")
            assert value == pytest.approx(expected, rel=1e-9)
        assert (own["latency_ns"] < own["request_ns"]).all()


def test_each_tenant_and_the_server_s_own_time_stand_beside_the_traffic(run: Run, samples: pd.DataFrame) -> None:
    assert run.gate is not None
    of_one = [each for each in run.gate.queries if each.tenants]
    assert len(of_one) > len(run.gate.queries) / 2
    for each in of_one:
        own = samples[(samples["system"] == each.system) & (samples["query"] == each.query)]
        for tenant in each.tenants:
            rows = own[own["arm"] == f"{tenant.tenant} tenant"]
            assert (tenant.n, tenant.max_ms) == (len(rows), rows["latency_ns"].max() / 1e6)
            assert set(rows["tenant_rank"]) == {tenant.rank}
    for each in run.gate.queries:
        assert each.server is not None
        assert each.server.source == "pg_stat_statements"
        assert each.server.executions == each.n
        assert each.server.client_mean_ms is not None
        assert 0 < each.server.mean_ms < each.server.client_mean_ms
        own = samples[(samples["arm"] == "") & (samples["system"] == each.system) & (samples["query"] == each.query)]
        assert each.server.client_mean_ms == pytest.approx(own["latency_ns"].mean() / 1e6)


def test_index_usage_is_that_of_the_executions(run: Run, samples: pd.DataFrame, suite: Suite) -> None:
    usage = run.index_usage
    assert usage is not None
    plan = suite.profiles.get("smoke").measure
    ours = samples[samples["arm"] != "pytest-benchmark"]
    batches = ours.groupby(["system", "query", "attempt", "batch"]).ngroups
    executions = len(ours) + batches * plan.warmup
    assert run.gate is not None
    looked = sum(each.attempts for each in run.gate.queries if each.ends == "rollback")  # at what a write writes
    assert sum(each.executions or 0 for each in run.gate.queries) == executions + looked
    by_email = usage.set_index("index").loc["uq_clients_workspace_email_index"]
    (client,) = [each for each in run.gate.queries if each.query == "client_by_email_index"]
    if client.plan == "Index Scan uq_clients_workspace_email_index":
        assert by_email["scans"] == client.executions
    assert (usage["size_bytes"] > 0).all()
    assert set(usage["system"]) == set(suite.systems)


def test_plans_are_of_three_tenants_and_hold_no_row(whole, run: Run, queries: tuple[Query, ...]) -> None:
    for query in queries:
        plans = run.plans[query.key]
        assert {plan["mode"] for plan in plans} == {"custom", "generic"}
        assert len(plans) in (2, 4, 6)
        text = json.dumps(plans)
        assert UUID.findall(text) == []
        dates = set(re.findall(r"\d{4}-\d\d-\d\d", text)) - set(re.findall(r"\d{4}-\d\d-\d\d", query.sql))
        assert dates == set()
        assert all(sum(plan["server_used"].values()) > 0 for plan in plans)
    latency = {f"{each['system']}/{each['query']}": each for each in strict(whole.path / "latency.json")["queries"]}
    for key, plans in run.plans.items():
        assert (latency[key]["plan"], latency[key]["plan_hash"]) == (plans[0]["shape"], plans[0]["fingerprint"])


def test_the_load_test_s_log_holds_every_request(whole, run: Run, queries: tuple[Query, ...]) -> None:
    load = run.load
    assert load is not None
    assert load.total.errors == 0
    assert load.total.requests == sum(each.requests for each in load.queries)
    sent = {f"{each.system}/{each.query}": each.ends for each in load.queries}
    assert sent.items() <= {(query.key, query.ends) for query in queries}
    assert set(sent.values()) == {query.ends for query in queries}
    logged = read_log(whole.path / "load.hlog")
    for each in load.queries:
        assert logged[f"{each.system}/{each.query}:latency"].count == each.requests


def test_the_audit_asked_every_rule_of_every_system(run: Run, suite: Suite) -> None:
    audit = run.audit
    assert audit is not None
    asked = {(result.rule, result.system) for result in audit.results}
    assert len(asked) == len(audit.results)
    of_server = {rule for rule, each in asked if each == "server"}
    of_engines = {rule for rule, _ in asked if rule.startswith("APP")}
    everywhere = {rule for rule, _ in asked} - of_server - of_engines
    assert of_server
    assert len(everywhere) > 60
    for system in suite.systems.values():
        more = of_engines if system.application else set()
        assert {rule for rule, each in asked if each == system.name} == everywhere | more
    assert not [result for result in audit.results if result.outcome == "error"]


def test_the_declared_migrations_were_compared(run: Run, suite: Suite) -> None:
    declared = [
        (system.name, pair.from_revision, pair.to_revision)
        for system in suite.systems.values()
        for pair in system.impact
    ]
    assert [(each.system, each.from_revision, each.to_revision) for each in run.impacts] == declared
    for impact in run.impacts:
        compared = len(impact.contrasts) + len(impact.not_before) + len(impact.left_out)
        assert compared == len(suite.queries_of((suite.system(impact.system),)))
        assert not impact.broken


def test_junit_has_a_case_for_every_query_and_no_failure_without_a_fail(
    whole, run: Run, queries: tuple[Query, ...]
) -> None:
    tree = ET.parse(whole.path / "junit.xml")  # noqa: S314
    names = [f"{case.get('classname')} {case.get('name')}" for case in tree.iter("testcase")]
    for query in queries:
        assert any(query.name in name for name in names), query.key
    assert run.gate is not None
    failed = {each.query for each in run.gate.queries if each.outcome == "fail"}
    told = [case.get("name") for case in tree.iter("testcase") if case.find("failure") is not None]
    assert {name for name in failed if any(name in str(each) for each in told)} == failed


def test_tables_of_the_dataset_read_with_pandas_alone(whole, suite: Suite) -> None:
    tenants = pd.read_parquet(whole.path / "tenants.parquet")
    assert set(tenants["system"]) == set(suite.systems)
    appointments = tenants[(tenants["system"] == "pazpaz") & (tenants["table"] == "appointments")]
    assert appointments["rows"].sum() == suite.profiles.get("smoke").sizes["pazpaz"]["appointments"]
    assert appointments["rows"].is_monotonic_decreasing
    columns = pd.read_parquet(whole.path / "columns.parquet")
    assert {"table", "column"} <= set(columns.columns)


class Page(HTMLParser):
    """What a page makes a browser fetch, and what its cells complain of."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.complaints: list[str] = []
        self.within = ""
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Attributes that load (a link of an <a> does not), and outputs on stderr."""
        self.within = tag
        for name, value in attrs:
            loads = name in ("src", "srcset", "data", "poster") or (name == "href" and tag in ("link", "image", "use"))
            if loads and re.match(r"\s*(https?:)?//", value or ""):
                self.fetched.append(f"{tag} {name} {value}")
            if name == "data-mime-type" and value in (
                "application/vnd.jupyter.stderr",
                "application/vnd.jupyter.error",
            ):
                self.complaints.append(value)

    def handle_data(self, data: str) -> None:
        """Imports of styles and modules; errors and warnings in what a reader sees."""
        if self.within == "style":
            self.fetched += re.findall(r"""(?:@import|url\()\s*["']?(?:https?:)?//[^"')\s]+""", data)
        elif self.within == "script":
            self.fetched += re.findall(r"""\b(?:import|from)\s*\(?\s*["']https?://[^"']+""", data)
        else:
            self.complaints += re.findall(r"Traceback|\w+Warning:|\w+Error:", data)


def test_every_notebook_became_a_page_that_loads_nothing(whole, suite: Suite) -> None:
    notebooks = sorted((suite.root / "notebooks").glob("*.ipynb"))
    pages = sorted((whole.path / "notebooks").iterdir())
    assert [page.stem for page in pages] == [notebook.stem for notebook in notebooks]
    for page in [*pages, whole.path / "report.html"]:
        found = Page(page)
        assert found.text.rstrip().endswith("</html>")
        assert len(found.text) > 20_000
        assert found.fetched == [], page


def test_no_notebook_shows_an_error_or_a_warning(whole) -> None:
    for page in (whole.path / "notebooks").iterdir():
        assert Page(page).complaints == [], page


def test_notebooks_show_this_run_and_no_other(whole, run: Run) -> None:
    assert run.info.dataset is not None
    assert run.gate is not None
    tour = (whole.path / "notebooks" / "01_dataset_tour.html").read_text()
    latency = (whole.path / "notebooks" / "02_latency.html").read_text()
    assert run.info.dataset.checksum[:16] in tour
    assert run.gate.reason in latency


def test_no_row_value_is_in_any_text_of_the_run(whole) -> None:
    for path in whole.path.rglob("*"):
        if path.suffix in (".json", ".xml", ".md", ".hlog"):
            assert UUID.findall(path.read_text(errors="replace")) == [], path
