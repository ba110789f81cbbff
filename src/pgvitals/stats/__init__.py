"""Pure functions on arrays: percentiles with intervals, batch validity, verdicts, paired comparisons."""

from pgvitals.stats.attempt import Attempt
from pgvitals.stats.compare import (
    Change,
    ContrastVerdict,
    Estimate,
    abba_order,
    contrast,
    correct_for_many,
    count_alarms,
    holm,
    p95_log_ratios,
    typical_log_ratios,
    void_if_placebo_alarms,
)
from pgvitals.stats.looks import Look, next_look, schedule
from pgvitals.stats.percentile import Summary, batch_interval, order_statistic_interval, percentile, summary
from pgvitals.stats.proportion import proportion_interval
from pgvitals.stats.signed_rank import hodges_lehmann, signed_rank_p
from pgvitals.stats.validity import (
    BatchNoise,
    Disturbance,
    Limits,
    count_disturbances,
    disturbances,
    valid_batches,
)
from pgvitals.stats.verdict import GateRules, Verdict, judge, overall

__all__ = [
    "Attempt",
    "BatchNoise",
    "Change",
    "ContrastVerdict",
    "Disturbance",
    "Estimate",
    "GateRules",
    "Limits",
    "Look",
    "Summary",
    "Verdict",
    "abba_order",
    "batch_interval",
    "contrast",
    "correct_for_many",
    "count_alarms",
    "count_disturbances",
    "disturbances",
    "hodges_lehmann",
    "holm",
    "judge",
    "next_look",
    "order_statistic_interval",
    "overall",
    "p95_log_ratios",
    "percentile",
    "proportion_interval",
    "schedule",
    "signed_rank_p",
    "summary",
    "typical_log_ratios",
    "valid_batches",
    "void_if_placebo_alarms",
]
