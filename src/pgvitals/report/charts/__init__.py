"""Charts for the report and the notebooks: each takes records or tables of a run and returns a figure."""

from pgvitals.report.charts.canvas import WIDE, Chart, svg
from pgvitals.report.charts.compliance import audit_heatmap
from pgvitals.report.charts.dataset import tenant_sizes
from pgvitals.report.charts.history import history
from pgvitals.report.charts.impact import impact_ratios
from pgvitals.report.charts.indexes import index_usage
from pgvitals.report.charts.latency import batches, latency_bars, latency_distribution
from pgvitals.report.charts.load import load_percentiles
from pgvitals.report.charts.tails import chains, cities, returning
from pgvitals.report.charts.tenants import tenants_p95
from pgvitals.report.charts.traps import after_or_in_turns, alike_or_weighted, point_or_interval
from pgvitals.report.charts.visits import clock, day, months, week

__all__ = [
    "WIDE",
    "Chart",
    "after_or_in_turns",
    "alike_or_weighted",
    "audit_heatmap",
    "batches",
    "chains",
    "cities",
    "clock",
    "day",
    "history",
    "impact_ratios",
    "index_usage",
    "latency_bars",
    "latency_distribution",
    "load_percentiles",
    "months",
    "point_or_interval",
    "returning",
    "svg",
    "tenant_sizes",
    "tenants_p95",
    "week",
]
