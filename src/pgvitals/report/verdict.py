"""The one sentence at the top of every report: what a run says as a whole, and why.

The latency gate decides; a run without one is decided by the worst of its other judged parts, audit and load
test. Requests that failed under load, and lookups that a migration broke, fail a run beside any gate. What the
rest says stands in the same sentence, so that nothing passes silently; that includes rows of which a fact does not
hold. How much faster or slower a migration made a lookup, and which indexes were used, informs and never fails a
run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pgvitals.report.fact_review import facts_outcome, told
from pgvitals.report.fact_review import loud as loud_facts
from pgvitals.report.wording import plural
from pgvitals.results.audit import Audit
from pgvitals.results.outcome import EXIT_CODES, Outcome, worst
from pgvitals.results.records import Fact, Gate, Impact, Load
from pgvitals.results.rundir import Run
from pgvitals.results.tenants import tenant_verdicts

NOT_MEASURED = "not measured"

_HEADLINES = {
    Outcome.PASS: "Pass",
    Outcome.FAIL: "Fail",
    Outcome.INCONCLUSIVE: "Inconclusive",
    Outcome.ERROR: "Error",
    Outcome.WAIVED: "Waived",
    Outcome.NOT_APPLICABLE: "Not applicable",
}
_WORST_FIRST = (
    Outcome.FAIL,
    Outcome.ERROR,
    Outcome.INCONCLUSIVE,
    Outcome.PASS,
    Outcome.WAIVED,
    Outcome.NOT_APPLICABLE,
)
_NAMED_MOST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the verdict; ``outcome`` is None where the part was not measured."""

    name: str
    anchor: str
    outcome: Outcome | None
    counts: str
    sentence: str

    @property
    def word(self) -> str:
        """The outcome as this part says it: a load test is void, not inconclusive."""
        if self.outcome is Outcome.INCONCLUSIVE and self.anchor == "load":
            return "Void"
        return headline(self.outcome) if self.outcome else NOT_MEASURED


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome of a run, what decided it, a sentence why, and every part."""

    outcome: Outcome  # not_applicable: the run holds nothing that can be judged
    subject: str
    sentence: str
    parts: tuple[Part, ...]

    @property
    def headline(self) -> str:
        """The outcome as a word."""
        return headline(self.outcome) if self.subject else "Not judged"


def headline(outcome: Outcome) -> str:
    """An outcome as a word to read: ``Not applicable``."""
    return _HEADLINES[outcome]


def judge_run(run: Run) -> Verdict:
    """The verdict of a run over the parts that it has."""
    failed = (*_phases(run.info.phases), *_broken(run.impacts))
    gate, others = _latency(run.gate), (_audit(run.audit), _load(run.load))
    dataset = _dataset(run.facts)
    parts = (gate, *others, *dataset, *failed)
    judged = [part for part in parts if part.outcome is not None and part not in dataset]
    loud = [part for part in others if part.anchor == "load" and part.outcome is Outcome.FAIL]
    deciding = [gate, *loud, *failed] if gate.outcome is not None else judged
    if not deciding:
        sentence = "This run holds nothing that passes or fails."
        return Verdict(outcome=Outcome.NOT_APPLICABLE, subject="", sentence=sentence, parts=parts)
    outcome = worst(part.outcome for part in deciding if part.outcome is not None)
    return Verdict(
        outcome=outcome,
        subject=" and ".join(part.name.lower() for part in deciding),
        sentence=_why(outcome, deciding, [*(part for part in judged if part not in deciding), *dataset]),
        parts=parts,
    )


def _why(outcome: Outcome, deciding: list[Part], beside: list[Part]) -> str:
    """The reasons of what decided; then what does not pass beside it."""
    said = [part.sentence for part in deciding if part.outcome is outcome]
    loud = [part.sentence for part in beside if EXIT_CODES[part.outcome or Outcome.PASS]]
    if loud:
        said += ["Beside that:", *loud]
    elif not EXIT_CODES[outcome]:
        said += [part.sentence for part in beside if part.sentence]
    return " ".join(said)


def worst_first(gate: Gate) -> Gate:
    """The same gate with the lookups that are not a pass in front; otherwise in their order."""
    place = {outcome: number for number, outcome in enumerate(_WORST_FIRST)}
    return replace(gate, queries=tuple(sorted(gate.queries, key=lambda q: place[q.outcome])))


def tally(outcomes: Iterable[Outcome]) -> str:
    """``7 pass · 1 fail``: every outcome there is, in the order of their weight."""
    counts = Counter(outcomes)
    return " · ".join(f"{counts[outcome]} {headline(outcome).lower()}" for outcome in _WORST_FIRST if counts[outcome])


def _latency(gate: Gate | None) -> Part:
    if gate is None:
        return Part(name="Latency gate", anchor="latency", outcome=None, counts=NOT_MEASURED, sentence="")
    total, tenants = plural(len(gate.queries), "lookup"), tenant_verdicts(gate.queries)
    if gate.outcome is Outcome.PASS:
        sentence = f"The p95 of {'the one' if len(gate.queries) == 1 else 'each of'} {total} is under its budget."
        if tenants:
            sentence += f" So is every p95 of a single tenant that has one ({len(tenants)})."
    else:
        sentence = _sentence(gate.reason or f"latency: {headline(gate.outcome).lower()}")
    return Part(
        name="Latency gate",
        anchor="latency",
        outcome=gate.outcome,
        counts=tally([*(q.outcome for q in gate.queries), *(each.outcome for each in tenants)]) or "no lookup",
        sentence=sentence,
    )


def _audit(audit: Audit | None) -> Part:
    if audit is None:
        return Part(name="Audit", anchor="audit", outcome=None, counts=NOT_MEASURED, sentence="")
    loud = [
        result for result in audit.results if result.outcome in (Outcome.FAIL, Outcome.ERROR) and audit.decides(result)
    ]
    loud.sort(key=lambda result: (result.severity, result.rule))
    if not loud:
        passed = sum(result.outcome is Outcome.PASS for result in audit.results)
        least = f" of severity {audit.fail_on} or worse" if audit.fail_on != "P3" else ""
        sentence = f"No audit rule{least} failed; {plural(passed, 'rule')} passed."
    else:
        names = list(dict.fromkeys(f"{result.rule} ({result.severity})" for result in loud))
        more = f" and {len(names) - _NAMED_MOST} more" if len(names) > _NAMED_MOST else ""
        failed = sum(result.outcome is Outcome.FAIL for result in loud)
        said = [f"{plural(failed, 'audit check')} failed"] if failed else []
        if len(loud) > failed:
            said.append(f"{plural(len(loud) - failed, 'audit check')} could not be run")
        sentence = f"{' and '.join(said)}: {', '.join(names[:_NAMED_MOST])}{more}."
    return Part(
        name="Audit",
        anchor="audit",
        outcome=audit.outcome,
        counts=tally(result.outcome for result in audit.results) or "no rule",
        sentence=sentence,
    )


def load_reason(load: Load) -> str:
    """Why a load test is valid or void, without the word itself."""
    return load.reason.removeprefix("void:").removeprefix("valid:").strip()


def _load(load: Load | None) -> Part:
    if load is None:
        return Part(name="Load test", anchor="load", outcome=None, counts=NOT_MEASURED, sentence="")
    errors = f"{plural(load.total.errors, 'error')} in {plural(load.total.requests, 'request')}"
    if load.outcome is Outcome.PASS:
        sentence = "The load test is valid."
    else:
        word = "void" if load.outcome is Outcome.INCONCLUSIVE else headline(load.outcome).lower()
        sentence = _sentence(f"load test {word}: {load_reason(load)}".rstrip(": "))
    return Part(name="Load test", anchor="load", outcome=load.outcome, counts=errors, sentence=sentence)


def _dataset(facts: Sequence[Fact]) -> tuple[Part, ...]:
    """Whether the rows are what their recipes claim; it decides nothing, but another workload is told of."""
    if not facts:
        return ()
    wrong = loud_facts(facts)
    sentence = ""
    if wrong:
        names = ", ".join(f"{fact.system}/{fact.fact}" for fact in wrong[:_NAMED_MOST])
        more = f" and {len(wrong) - _NAMED_MOST} more" if len(wrong) > _NAMED_MOST else ""
        sentence = f"The rows are not what their recipes claim ({names}{more}): the numbers describe another workload."
    return (
        Part(name="Dataset", anchor="dataset", outcome=facts_outcome(facts), counts=told(facts), sentence=sentence),
    )


def _phases(phases: dict[str, str]) -> tuple[Part, ...]:
    return tuple(
        Part(
            name=f"Phase {name}",
            anchor="conditions",
            outcome=Outcome.ERROR,
            counts="did not finish",
            sentence=_sentence(f"phase {name} {state}"),
        )
        for name, state in phases.items()
        if state.startswith("failed")
    )


def _broken(impacts: Iterable[Impact]) -> tuple[Part, ...]:
    return tuple(
        Part(
            name=f"Impact of {impact.to_revision}",
            anchor="impact",
            outcome=Outcome.FAIL,
            counts=f"{plural(len(impact.broken), 'lookup')} broken",
            sentence=_sentence(f"{impact.to_revision} breaks {', '.join(impact.broken)}"),
        )
        for impact in impacts
        if impact.broken
    )


def _sentence(text: str) -> str:
    text = text.strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
