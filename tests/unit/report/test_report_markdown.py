"""The Markdown reports."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
from markdown_it import MarkdownIt

from pgvitals.report.markdown import gate_summary, render_markdown
from pgvitals.report.markdown_parts import code, text
from pgvitals.results.rundir import Run


def rendered(markdown: str) -> str:
    """As GitHub reads it: tables on, HTML kept as it stands so that a leak would show."""
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)


def visible(html: str) -> str:
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        html = html.replace(entity, character)
    return html


@pytest.mark.parametrize(
    "nasty", ["<script>alert(1)</script>", "a | b", "*x* _y_ `z`", "[a](b)", "# h", "a\nb", "~~x~~", "\\", "a & b &lt;"]
)
def test_plain_text_is_never_read_as_markup(nasty: str) -> None:
    assert visible(rendered(f"x {text(nasty)}")) == f"<p>x {' '.join(nasty.split())}</p>\n"


@pytest.mark.parametrize("nasty", ["a`b", "``a``", "`", "<b>", "a*b*"])
def test_a_code_span_holds_anything(nasty: str) -> None:
    assert visible(rendered(code(nasty))) == f"<p><code>{nasty}</code></p>\n"


def test_a_pair_of_dollars_is_no_formula() -> None:
    assert "$" not in text("$a_b$")


def test_every_row_of_every_table_has_the_cells_of_its_head(full_run: Run) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", render_markdown(full_run), re.MULTILINE)
    assert len(tables) == 5
    for table in tables:
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(counts) == 1, table
    html = rendered(render_markdown(full_run))
    assert html.count("<table>") == 5


def test_hostile_names_survive_as_text(full_run: Run, made: SimpleNamespace) -> None:
    html = rendered(render_markdown(full_run))
    assert "<script" not in html
    assert "<b>" not in html
    assert "<code>ix &quot;&lt;b&gt;odd&lt;/b&gt;&quot; | $x$</code>" in html
    assert made.NASTY in visible(html)


def test_the_sections_follow_the_order_of_the_html_report(full_run: Run) -> None:
    heads = re.findall(r"^##? (.*)$", render_markdown(full_run), re.MULTILINE)
    assert heads == [
        "❌ Latency gate: fail",
        "Latency",
        "Plans",
        "Indexes",
        "Load test",
        "Audit",
        "Impact of migrations",
        "Dataset",
        "Conditions",
        "How to reproduce",
    ]


def test_every_p95_has_its_interval_or_says_that_there_is_none(full_run: Run) -> None:
    report = render_markdown(full_run)
    assert "| 183 [171–197] |" in report
    assert "| 1.31 [no interval] |" in report
    assert "99 % batch interval" in report


@pytest.mark.parametrize("part", ["gate", "indexes", "load", "audit", "impacts"])
def test_a_part_that_is_missing_is_said_to_be_not_measured(part: str, build_run: Callable[..., Run]) -> None:
    report = render_markdown(build_run(**{part: () if part == "impacts" else None}))
    assert report.count("Not measured.") == 1


def test_a_run_with_nothing_but_its_name_renders(empty_run: Run) -> None:
    report = render_markdown(empty_run)
    assert report.startswith("# ➖ not judged\n")
    assert report.count("Not measured.") == 6


def test_files_are_linked_by_name(full_run: Run) -> None:
    assert "[samples.parquet](samples.parquet)" in render_markdown(full_run)


def test_secrets_do_not_reach_the_page(full_run: Run) -> None:
    assert "hunter2" not in render_markdown(full_run)


def test_remediation_with_backticks_stays_inside_its_fence(
    build_run: Callable[..., Run], made: SimpleNamespace
) -> None:
    result = made.audit().results[0]
    fence = replace(result.findings[0], remediation="select 1;\n```\nselect 2;")
    audit = replace(made.audit(), results=(replace(result, findings=(fence,)),))
    html = rendered(render_markdown(build_run(audit=audit)))
    assert "select 1;\n```\nselect 2;\n</code></pre>" in html


def test_the_summary_holds_verdict_table_and_what_failed_and_no_more(full_run: Run) -> None:
    summary = gate_summary(full_run)
    assert summary.startswith("# ❌ Latency gate: fail\n")
    for word in ("`pazpaz/clients_active`", "**AUD002**", "**ENC001**", "**KEY002**"):
        assert word in summary
    for word in ("RET001", "CON001", "## ", "seed"):
        assert word not in summary
    assert len(summary) < len(render_markdown(full_run)) / 2


def test_the_summary_of_a_clean_run_says_that_nothing_failed(passing_run: Run) -> None:
    summary = gate_summary(passing_run)
    assert summary.startswith("# ✅ Latency gate: pass\n")
    assert "No audit rule failed." in summary
