"""The batches of each lookup of a run, as two runs are compared by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from pgvitals.errors import ResultsError
from pgvitals.results.records import Latency
from pgvitals.results.rundir import Run
from pgvitals.stats.between_runs import RunValue
from pgvitals.stats.percentile import NS_PER_MS
from pgvitals.stats.samples import FloatArray
from pgvitals.stats.verdict import GateRules

Key = tuple[str, str]
"""(system, query)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LookupBatches:
    """One lookup of one run, in milliseconds: its quiet batches, or all of them where too few were quiet."""

    latency: Latency
    batches: Sequence[FloatArray]
    measured: int  # batches, quiet or not
    quiet: int
    disturbed: bool
    seconds: float  # from the first sample to the last

    def value(self, q: float) -> RunValue:
        """A percentile of every batch, and of all together."""
        return RunValue.of(self.batches, q)


def lookup_batches(run: Run) -> dict[Key, LookupBatches]:
    """Every lookup that a run measured and judged.

    Raises:
        ResultsError: the run measured no lookup, or its samples are gone.
    """
    if run.gate is None or not run.gate.queries:
        raise ResultsError(f"{run.path}: no lookup was measured, so there is nothing to compare; `pgvitals bench` does")
    if run.samples is None:
        raise ResultsError(f"{run.path}: it has no samples.parquet, and batches are what a comparison is made from")
    records = {(each.system, each.query): each for each in run.gate.queries}
    own = run.samples[run.samples["arm"] == ""]
    found = {}
    for (system, query), rows in own.groupby(["system", "query"], sort=False):
        if (latency := records.get((str(system), str(query)))) is not None:
            batches, quiet = [], []
            for _, batch in rows.groupby(["attempt", "batch"], sort=True):
                batches.append(batch["latency_ns"].to_numpy(dtype=np.float64) / NS_PER_MS)
                quiet.append(bool(batch["valid"].all()))
            span = float(rows["t_ns"].max() - rows["t_ns"].min()) / 1e9
            found[latency.system, latency.query] = _lookup(latency, batches, quiet, span)
    return {key: found[key] for key in records if key in found}


def _lookup(latency: Latency, batches: list[FloatArray], quiet: list[bool], seconds: float) -> LookupBatches:
    rules = GateRules()
    kept = list(compress(batches, quiet))
    enough = len(kept) >= rules.min_batches and sum(batch.size for batch in kept) >= rules.min_samples
    return LookupBatches(
        latency=latency,
        batches=kept if enough else batches,
        measured=len(batches),
        quiet=len(kept),
        disturbed=not enough and len(kept) < len(batches),
        seconds=seconds,
    )
