"""Shares of trials beside their goals, what is measured next, and the page that is made of it all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pgvitals.results.outcome import Outcome
from pgvitals.results.records import Hardware, Noise, Server
from pgvitals.stats.proportion import proportion_interval
from pgvitals.truth.effects import Cost
from pgvitals.truth.figures import Answer, Figure, figures, found_in, long_runs, outcome_of
from pgvitals.truth.gate import FACTORS, Judged
from pgvitals.truth.page import noise_told, page, rows_of
from pgvitals.truth.run import EFFECTS_KIND, GATE_KIND, SAME_KIND, next_kind, planned, seconds_left, seconds_of
from pgvitals.truth.state import Setup, Side, Sitting, Trial

QUIET = Noise(
    canary_best_ms=1.5,
    canary_median_ratio=1.01,
    canary_worst_ratio=1.2,
    cpu_pressure_median=0.01,
    cpu_pressure_worst=None,
    steal_worst=0.0,
)
SIDE = Side(verdict="same", ratio=1.01, low=0.98, high=1.04)
TRIAL = Trial(lookup="truth/a", effect="", verdict="same", typical=SIDE, p95=SIDE, look=2, rounds=190, reason="same")
SLOWER = replace(SIDE, verdict="slower", ratio=1.1, low=1.06, high=1.14)
FOUND = replace(TRIAL, effect="typical_10", verdict="slower", typical=SLOWER)
VOID = replace(FOUND, verdict="void")
MISSED = replace(FOUND, verdict="inconclusive", typical=SIDE)
JUDGED = Judged(
    sitting=1,
    lookup="a",
    true_p95_ms=0.5,
    others=4800,
    quiet=True,
    covers=(True, True),
    outcomes={
        factor: Outcome.FAIL if factor < 0.9 else Outcome.PASS if factor > 1.1 else Outcome.INCONCLUSIVE
        for factor in FACTORS
    },
)
SETUP = Setup(
    seed=1,
    plans={
        "impact": {"rounds": 100, "per_arm": 25, "clones": 3, "looks": 3},
        "gate": {"batches": 24, "batch_size": 100},
        "calibration": {"batches": 60, "batch_size": 100},
    },
    speed=200.0,
    costs={"a": Cost(p50_ms=0.1, p95_ms=0.2, fixed_us=40, step_ns=5, added_steps=2000, factors={"p95_10": 0.1})},
    server=Server(
        kind="embedded", why="", version="PostgreSQL 17.5", version_num=170005, transport="unix", settings={},
        timezones=1,
    ),
    hardware=Hardware(cpu_model="Z80", cores=2, memory_bytes=2**30, kernel="Linux 6", clocksource="tsc"),
    versions={"python": "3.11.7", "psycopg": "3.3.0"},
    started_utc="2025-10-01T00:00:00+00:00",
)  # fmt: skip


def sitting(number: int) -> Sitting:
    """One of comparisons, none in it yet."""
    return Sitting(
        number=number,
        kind=EFFECTS_KIND,
        started_utc="2025-10-01T00:00:00+00:00",
        seconds=12.5,
        noise=QUIET,
        load=0.4,
        measured=100,
        dropped=3,
    )


def with_trials(*trials: Trial) -> list[Sitting]:
    """One sitting of these comparisons."""
    return [replace(sitting(1), trials=trials)]


def figure(hits: int, trials: int, **goal: float) -> Figure:
    """A share with a goal."""
    return Figure(experiment="x", what="x", hits=hits, trials=trials, void=0, undecided=0, needed=100, **goal)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hits", "trials", "goal", "answer", "sure"),
    [
        (0, 99, {"most": 0.01}, Answer.UNKNOWN, False),
        (0, 0, {"most": 0.01}, Answer.UNKNOWN, False),
        (1, 100, {"most": 0.01}, Answer.MET, False),
        (2, 100, {"most": 0.01}, Answer.NOT_MET, False),
        (0, 400, {"most": 0.01}, Answer.MET, True),
        (95, 100, {"least": 0.95}, Answer.MET, False),
        (100, 100, {"least": 0.95}, Answer.MET, True),
        (94, 100, {"least": 0.95}, Answer.NOT_MET, False),
        (50, 100, {"least": 0.95}, Answer.NOT_MET, True),
    ],
)
def test_a_goal_is_judged_by_the_share_once_there_are_enough_trials(hits, trials, goal, answer, sure):
    found = figure(hits, trials, **goal)
    assert found.answer is answer
    assert found.sure is sure
    if trials:
        assert found.interval == proportion_interval(hits, trials)


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ([], Outcome.INCONCLUSIVE),
        ([figure(0, 100, most=0.1)], Outcome.PASS),
        ([figure(0, 100, most=0.1), figure(0, 5, most=0.1)], Outcome.INCONCLUSIVE),
        ([figure(0, 5, most=0.1), figure(90, 100, most=0.1)], Outcome.FAIL),
    ],
)
def test_the_worst_answer_decides(given, outcome):
    assert outcome_of(given) is outcome


def test_a_false_alarm_is_one_of_its_estimator_and_void_comparisons_are_no_trials():
    alarm = replace(TRIAL, verdict="slower", p95=SLOWER)
    typical, p95 = figures(with_trials(TRIAL, TRIAL, alarm, replace(alarm, verdict="void")), [], ["aa"])
    assert (typical.hits, typical.trials, typical.void) == (0, 3, 1)
    assert (p95.hits, p95.trials, p95.void) == (1, 3, 1)


def test_an_effect_is_found_if_its_estimator_is_called_slower():
    typical, *others = figures(with_trials(FOUND, FOUND, MISSED, VOID), [], ["ab"])
    assert (typical.hits, typical.trials, typical.void, typical.undecided) == (2, 3, 1, 1)
    assert [each.trials for each in others] == [0, 0]
    assert not found_in(FOUND, "p95")
    assert not found_in(replace(FOUND, verdict="inconclusive"), "typical")


def test_attempts_with_too_few_quiet_batches_are_void():
    noisy = replace(JUDGED, quiet=False, covers=(True, None), outcomes=dict.fromkeys(FACTORS, Outcome.FAIL))
    missed = replace(JUDGED, covers=(True, False))
    coverage, at_truth, above, below, between = figures([], [JUDGED, noisy, missed], ["coverage", "gate"])
    assert (coverage.hits, coverage.trials, coverage.void) == (4, 5, 1)
    assert (at_truth.hits, at_truth.trials, at_truth.void, at_truth.undecided) == (0, 2, 1, 2)
    assert (above.hits, below.hits) == (2, 2)
    assert (between.hits, between.trials) == (6, 6)  # 0.95, 1.05 and 1.1 are open; 0.8 and 0.87 rightly fail


def test_budgets_between_that_are_judged_wrongly_count_against_the_gate():
    wrong = replace(JUDGED, outcomes={**JUDGED.outcomes, 0.95: Outcome.PASS, 1.05: Outcome.FAIL})
    between = figures([], [wrong], ["gate"])[-1]
    assert (between.hits, between.trials) == (1, 3)


def test_the_true_ratio_is_the_mean_over_sittings_with_its_interval():
    ratios = [{"typical_10": {"truth/a": (ratio, 1.0)}} for ratio in (1.09, 1.10, 1.11)]
    p50, p95 = long_runs([replace(sitting(number), ratios=each) for number, each in enumerate(ratios)])
    assert (p50.estimator, p95.estimator) == ("p50", "p95")
    assert p50.ratio == pytest.approx(1.10, abs=1e-3)
    assert p50.interval is not None
    assert p50.interval.low < 1.09 < 1.11 < p50.interval.high
    assert p50.sittings == 3


def test_comparisons_with_effects_bring_some_without_and_an_attempt_counts_twice_for_coverage():
    assert planned({"aa": 200, "ab": 100, "coverage": 100, "gate": 100}) == {
        EFFECTS_KIND: 13, SAME_KIND: 12, GATE_KIND: 13,
    }  # fmt: skip
    assert planned({"coverage": 100}) == {EFFECTS_KIND: 0, SAME_KIND: 0, GATE_KIND: 7}
    assert planned({"aa": 1, "ab": 1}) == {EFFECTS_KIND: 1, SAME_KIND: 0, GATE_KIND: 0}


def test_what_is_furthest_behind_is_measured_next():
    wanted = {EFFECTS_KIND: 2, SAME_KIND: 0, GATE_KIND: 4}
    taken: list[str] = []
    while (kind := next_kind([replace(sitting(1), kind=each) for each in taken], wanted)) is not None:
        taken.append(kind)
    assert taken == [EFFECTS_KIND, GATE_KIND, GATE_KIND, EFFECTS_KIND, GATE_KIND, GATE_KIND]


def test_the_time_left_is_told_by_sittings_of_the_same_kind():
    sittings = [replace(sitting(number), seconds=seconds) for number, seconds in ((1, 10.0), (2, 20.0))]
    assert seconds_of(EFFECTS_KIND, sittings) == 15
    assert seconds_left(sittings, {EFFECTS_KIND: 5}) == 45
    assert seconds_left(sittings, {EFFECTS_KIND: 1}) == 0


def test_rows_say_share_interval_goal_and_answer():
    assert rows_of([figure(0, 400, most=0.01), figure(2, 3, least=0.8)]) == [
        ("x", "0 of 400", "0.0%", "0.0% to 0.9%", "at most 1%", "met, surely", "0", "0"),
        ("x", "2 of 3", "66.7%", "9.4% to 99.2%", "at least 80%", "not yet known", "0", "0"),
    ]


def test_the_noise_of_sittings_is_told_against_the_best_canary_of_all():
    slow = replace(sitting(2), noise=replace(QUIET, canary_best_ms=3.0), load=1.5, dropped=20)
    told = noise_told([sitting(1), slow])
    assert "23 of 200 rounds and batches (11.5%) were dropped" in told
    assert "1.01x to 2.02x its best, at worst 2.40x" in told
    assert "load average 0.4 to 1.5" in told
    assert noise_told([]) == "Nothing was measured yet."


def test_the_page_says_conditions_costs_truth_and_every_figure():
    ratios = {"": {"truth/a": (1.0, 1.01)}, "typical_10": {"truth/a": (1.1, 1.05)}, "p95_10": {"truth/a": (1.0, 1.1)}}
    given = [replace(sitting(1), trials=(TRIAL, FOUND), ratios=ratios), replace(sitting(2), kind="gate", trials=())]
    found = figures(given, [JUDGED])
    text = page(SETUP, given, [JUDGED], found, Outcome.INCONCLUSIVE)
    assert "PostgreSQL 17.5, Z80, 2 cores" in text
    assert "Outcome: **inconclusive**" in text
    for row in rows_of(found):
        assert f"| {' | '.join(row)} |" in text
    assert "| comparisons with every effect and with none | 1 | 12 | 2 | 6.2 |" in text
    assert "| a | 0.100 | 0.200 | 1.000 | 1.010 | 1.100 | 1.100 |" in text
    assert "| +10% typical | 1 | 1 slower | 0 / 1 | 0 |" in text
    assert "| 0.7 | 0.0% | 0.0% | 100.0% |" in text


def test_a_page_of_nothing_yet_has_its_goals_alone():
    text = page(SETUP, [], [], figures([], []), Outcome.INCONCLUSIVE)
    assert text.count("not yet known") == 10
    assert "## Comparisons" not in text
    assert "## The gate" not in text
