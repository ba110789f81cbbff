"""The HTML report: whole, safe, self-contained, and honest about what is missing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

from pgvitals.report.html import render_html
from pgvitals.report.markdown import render_markdown
from pgvitals.results.audit import Finding
from pgvitals.results.outcome import Outcome
from pgvitals.results.rundir import Run

VOID = {"meta", "link", "br", "wbr", "hr", "img", "input"}
SECTIONS = ["latency", "indexes", "load", "audit", "impact", "dataset", "conditions", "reproduce"]


class Page(HTMLParser):
    """A strict reader: every tag closed in order, and what is on the page kept for questions."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"<{tag}> repeats an attribute"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def values(self, name: str) -> list[str]:
        return [value for _, attrs in self.tags if (value := attrs.get(name)) is not None]


@pytest.fixture(scope="module")
def html(full_run: Run) -> str:
    return render_html(full_run)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def section(html: str, ident: str) -> str:
    found = re.search(rf'<section id="{ident}">.*?</section>', html, re.DOTALL)
    assert found, ident
    return Page(found[0]).text


def test_the_page_is_well_formed_and_every_id_is_unique(page: Page) -> None:
    ids = page.values("id")
    assert len(ids) == len(set(ids))


def test_every_link_leads_somewhere_on_the_page_or_to_a_file_beside_it(page: Page, full_run: Run) -> None:
    for tag, attrs in page.tags:
        target = attrs.get("href")
        if tag == "a" and target is not None:
            if target.startswith("#"):
                assert target[1:] in page.values("id")
            else:
                assert (full_run.path / target).is_file()


def test_nothing_is_fetched_and_nothing_is_run(page: Page, html: str) -> None:
    tags = {tag for tag, _ in page.tags}
    assert tags.isdisjoint({"script", "img", "iframe", "object", "embed", "base", "form"})
    assert not page.values("src")
    assert [attrs["href"] for tag, attrs in page.tags if tag == "link"] == ["data:,"]
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    assert "default-src 'none'" in page.values("content")[1]


def test_hostile_names_are_shown_and_not_interpreted(page: Page, html: str, made: SimpleNamespace) -> None:
    assert made.NASTY in page.text
    assert 'ix "<b>odd</b>" | $x$' in page.text
    assert "<script" not in html
    assert "<b>odd" not in html


def test_the_verdict_comes_first_and_the_parts_follow_in_order(html: str) -> None:
    places = [html.index('id="verdict"'), *(html.index(f'<section id="{ident}">') for ident in SECTIONS)]
    assert places == sorted(places)
    assert re.search(r"<h1>.*?Fail</h1>", html, re.DOTALL)


@pytest.mark.parametrize(
    ("part", "ident"),
    [("gate", "latency"), ("indexes", "indexes"), ("load", "load"), ("audit", "audit"), ("impacts", "impact")],
)
def test_a_part_that_is_missing_is_said_to_be_not_measured(
    part: str, ident: str, build_run: Callable[..., Run]
) -> None:
    html = render_html(build_run(**{part: () if part == "impacts" else None}))
    assert section(html, ident).endswith("Not measured.")
    others = [other for other in ("latency", "indexes", "load", "audit", "impact", "dataset") if other != ident]
    assert all("Not measured." not in section(html, other) for other in others)


def test_a_run_with_nothing_but_its_name_renders(empty_run: Run) -> None:
    html = render_html(empty_run)
    assert "Not judged" in Page(html).text
    for ident in ("latency", "indexes", "load", "audit", "impact", "dataset"):
        assert "Not measured." in section(html, ident)
    assert "Not recorded." in section(html, "conditions")


def test_missing_samples_leave_the_table_and_drop_only_the_distribution(build_run: Callable[..., Run]) -> None:
    html = render_html(build_run(samples=None))
    latency = section(html, "latency")
    assert "Distribution Not measured." in latency
    assert "183" in latency


def test_each_p95_stands_with_its_batch_interval(html: str) -> None:
    latency = section(html, "latency")
    assert "99 % batch interval" in latency
    assert "pazpaz/clients_active" in latency
    assert "171–197" in latency
    assert "122 %" in latency


def test_a_lookup_that_does_not_pass_says_why_and_one_that_passes_is_quiet(html: str) -> None:
    latency = section(html, "latency")
    assert "over in each of two attempts" in latency
    assert "59 samples and 12 batches bound a p95" in latency
    assert "the interval lies under the budget" not in latency


def test_bars_never_leave_their_frame(html: str, build_run: Callable[..., Run], made: SimpleNamespace) -> None:
    far = tuple(replace(q, p95_ms=q.budget_p95_ms * 40, p95_high_ms=q.budget_p95_ms * 50) for q in made.gate().queries)
    for drawn in (html, render_html(build_run(gate=replace(made.gate(), queries=far)))):
        widths = [float(width) for width in re.findall(r'style="width:([\d.]+)%"', drawn)]
        assert widths
        assert max(widths) <= 100
        ticks = {float(left) for left in re.findall(r"left:calc\(([\d.]+)% - 2px\)", drawn)}
        assert len(ticks) == 1, "all bars of a table have one scale"


def test_unused_indexes_are_flagged_and_keys_are_not(html: str) -> None:
    shown = re.search(r'<section id="indexes">.*?</section>', html, re.DOTALL)
    assert shown
    flagged = Page(shown[0].partition("<details>")[0] + "</section>").text
    assert "7 indexes of 19 were never scanned by the measured workload and enforce nothing" in flagged
    assert "ix_clients_workspace_lastname_firstname" in flagged
    assert "pk_clients" not in flagged
    assert "uq_users_workspace_email" not in flagged
    assert "pk_clients" in section(html, "indexes")


def test_a_long_list_of_unused_indexes_folds_after_the_largest(
    build_run: Callable[..., Run], made: SimpleNamespace
) -> None:
    many = tuple(replace(made.indexes()[3], index=f"ix_{n:03}", size_bytes=10**6 - n) for n in range(30))
    html = render_html(build_run(indexes=many))
    shown = re.search(r'<section id="indexes">.*?</section>', html, re.DOTALL)
    assert shown
    at_once, _, folded = shown[0].partition("<details>")
    assert at_once.count('<th scope="row"') == 20
    assert folded.count('<th scope="row"') == 10
    assert "10 more that were never scanned" in folded


def test_a_rule_that_passes_on_several_systems_takes_one_line(html: str) -> None:
    assert "Tenant tables have row-level security · pazpaz: 5 checked; practice: 7 checked" in section(html, "audit")


def test_sizes_that_stayed_are_only_in_the_total(html: str) -> None:
    impact = section(html, "impact")
    assert "practice.ix_auth_tokens_active_hash – 19 MB +19 MB" in impact
    assert "practice.auth_tokens 93 MB" not in impact
    assert "The only table 93 MB 93 MB 0" in impact
    assert "All 2 indexes 1.3 MB 19 MB +18 MB" in impact


def test_findings_go_by_severity_and_their_remediation_can_be_pasted(html: str) -> None:
    audit = section(html, "audit")
    order = [audit.index(word) for word in ("Severity P0", "AUD002", "ENC001", "Severity P1", "RET001", "Severity P2")]
    assert order == sorted(order)
    assert audit.index("KEY002") < audit.index("Passed") < audit.index("CON001") < audit.index("Not applicable")
    assert 'create index concurrently "ix_service_id" on "pazpaz"."appointments" ("service_id");' in audit
    assert html.count("<details><summary>Remediation SQL") == 2


def test_a_rule_with_many_findings_is_cut_and_says_so(build_run: Callable[..., Run], made: SimpleNamespace) -> None:
    findings = tuple(Finding(objects=(f"t{n:03}",), detail="no key") for n in range(50))
    loud = made.rule(outcome=Outcome.FAIL, findings=findings)
    html = render_html(build_run(audit=replace(made.audit(), results=(loud,))))
    assert "and 30 more, in audit.json" in section(html, "audit")
    assert "t019" in section(html, "audit")
    assert "t020" not in section(html, "audit")


def test_an_alarm_of_the_placebo_is_told(build_run: Callable[..., Run], made: SimpleNamespace) -> None:
    noisy = replace(made.impact(), placebo_alarms=2)
    impact = section(render_html(build_run(impacts=(noisy, made.impact()))), "impact")
    assert "raised 2 alarms" in impact
    assert "raised no alarm" in impact


def test_it_is_told_at_which_look_lookups_were_settled(build_run: Callable[..., Run], made: SimpleNamespace) -> None:
    faster, *others, last = made.impact().contrasts
    contrasts = (replace(faster, look=1), *(replace(each, look=2) for each in others), replace(last, look=3))
    run = build_run(impacts=(replace(made.impact(), looks=3, contrasts=contrasts),))
    told = "up to 3 looks; settled: 1 at the first, 3 at the second look; 1 still open after the third."
    assert told in section(render_html(run), "impact")
    assert told in render_markdown(run)
    assert "looks" not in render_markdown(build_run(impacts=(made.impact(),)))


def test_only_plans_that_changed_are_listed_side_by_side(html: str) -> None:
    assert "2 plans changed" in section(html, "impact")


def test_secrets_of_the_command_line_do_not_reach_the_page(html: str) -> None:
    assert "hunter2" not in html
    assert "postgresql://bench:***@db.test/x" in section(html, "reproduce")


def test_a_reader_can_repeat_the_run(html: str, made: SimpleNamespace) -> None:
    reproduce = section(html, "reproduce")
    for word in ("pgvitals run --profile small", "20250106", "9f2c61d07ab3e845", made.REVISION):
        assert word in reproduce


def test_uncommitted_changes_are_told(build_run: Callable[..., Run], made: SimpleNamespace) -> None:
    html = render_html(build_run(info=made.info(git_revision="abc+")))
    assert "abc, with changes that were not committed" in section(html, "reproduce")


def test_a_machine_without_time_zones_is_warned_of(build_run: Callable[..., Run], made: SimpleNamespace) -> None:
    server = replace(made.info().server, timezones=0)
    assert "lacks the tzdata package" in section(render_html(build_run(info=made.info(server=server))), "conditions")


def test_the_same_run_gives_the_same_page(full_run: Run) -> None:
    assert render_html(full_run) == render_html(full_run)


def test_the_page_has_a_dark_and_a_printed_form(html: str) -> None:
    for media in ("prefers-color-scheme: dark", "@media print", "max-width: 720px"):
        assert media in html
    dark = html.partition("prefers-color-scheme: dark")[2].partition("}\n}")[0]
    used = set(re.findall(r"var\((--chart-[a-z-]+)", html))
    assert used
    assert all(f"{name}:" in dark for name in used), "a colour of a chart has no dark form"
