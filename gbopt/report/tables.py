"""Tables of a campaign as rows of equal keys: for the terminal, for JSON, CSV and the page.

Numbers with an error bar are text rounded to it; all others are plain.
"""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterator
from typing import Any

from gbopt.analysis.statistics import interval as confidence_interval
from gbopt.campaign.view import CampaignView
from gbopt.model.evaluation import Evaluation, Failure
from gbopt.model.observables import QUANTITIES, Estimate, format_with_error
from gbopt.report.boundaries import recommended
from gbopt.report.live import running, seconds
from gbopt.report.verdict import verdict

__all__ = [
    "failure_rows",
    "failure_text",
    "flag_names",
    "number",
    "state",
    "status_rows",
    "trace_rows",
    "trial_rows",
    "verdict",
]

Rows = list[dict[str, Any]]
_ENDINGS = {
    "budget": "at its full length",
    "target": "at its target error",
    "inferior": "as surely worse than the best one",
}


def number(estimate: Estimate | None) -> str | None:
    """Write an estimate without its unit, rounded to its error."""
    return None if estimate is None else str(estimate.model_copy(update={"unit": ""}))


def flag_names(evaluation: Evaluation) -> str:
    """Name the checks that are not ok; a failed one says so."""
    return ", ".join(
        f.name + (" (fail)" if f.level == "fail" else "")
        for f in evaluation.flags
        if f.level != "ok"
    )


def state(view: CampaignView) -> str:
    """Say whether the campaign has stopped, and how it goes on."""
    if view.is_running:
        return "running"
    if view.stop_reason is not None:
        return f"stopped: {view.stop_reason}"
    return f"interrupted: `gbopt resume {shlex.quote(str(view.path))}` continues it"


def status_rows(view: CampaignView) -> Rows:
    """Where a campaign stands: progress, reference, best so far, what runs now."""
    search = view.config.search
    items = {
        "campaign": view.config.name,
        "question": view.config.question,
        "state": state(view),
        "evaluations": _progress(view),
        "since improvement": f"{view.since_improvement} of {search.patience} (patience)",
        "bulk reference": _bulk(view),
        "best so far": best_text(view),
    }
    items |= {f"trial {r.trial}": r.text for r in running(view.config, view.running)}
    return [{"item": item, "value": value} for item, value in items.items()]


def _progress(view: CampaignView) -> str:
    counts = Counter(e.status.value if e.status.finished else "failed" for e in view.evaluations)
    names = ("ok", "suspect", *(["pruned"] if counts["pruned"] else []), "failed")
    split = ", ".join(f"{counts[name]} {name}" for name in names)
    return f"{len(view.evaluations)} of {view.config.search.evaluations} ({split})"


def _bulk(view: CampaignView) -> str:
    if view.bulk is None:
        return "not there yet"
    return (
        f"lattice {view.bulk.lattice_A}, resistivity {view.bulk.transport.resistivity_ohm_cm} "
        f"at {view.bulk.temperature_K:g} K with {view.bulk.potential}"
    )


def best_text(view: CampaignView) -> str:
    """Name the recommended boundary with what is expected of it."""
    best, group = view.recommendation, recommended(view)
    if best is None or group is None:
        return "none yet"
    quantity = QUANTITIES[view.config.search.objective]
    return (
        f"{group.label}: expected log10({quantity.label} / {quantity.unit}) "
        f"{format_with_error(best.mean, best.std_dev)}, trials {group.trials}"
    )


def trace_rows(view: CampaignView) -> Rows:
    """One row for each evaluation, failed ones included."""
    return [_trace_row(evaluation) for evaluation in view.evaluations]


def _trace_row(evaluation: Evaluation) -> dict[str, Any]:
    observables, conditions = evaluation.observables, evaluation.conditions
    return {
        "trial": evaluation.trial,
        "boundary": evaluation.spec.label,
        "replicate": evaluation.replicate,
        "status": evaluation.status.value,
        "log10_objective": number(evaluation.objective),
        "gb_ohm_cm": number(observables.get("gb_resistivity")),
        "asr_ohm_cm2": number(observables.get("area_specific_resistance")),
        "LER": number(observables.get("li_enrichment_ratio")),
        "OVC": number(observables.get("o_vacancy_fraction")),
        "width_A": number(observables.get("boundary_width")),
        "ions": conditions.n_ions if conditions else None,
        "minutes": round(seconds(evaluation) / 60, 1),
        "flags": flag_names(evaluation),
    }


def failure_rows(view: CampaignView) -> Rows:
    """One row for each evaluation without numbers, with its cause."""
    return [
        {
            "trial": e.trial,
            "boundary": e.spec.label,
            "status": e.status.value,
            "stage": e.failure.stage,
            "cause": e.failure.cause,
            "hint": e.failure.hint,
        }
        for e in view.evaluations
        if e.failure is not None
    ]


def failure_text(failure: Failure) -> str:
    """Tell a failure in full: stage, cause, hint and the last lines of the log."""
    text = f"stage: {failure.stage}\ncause: {failure.cause}\nhint: {failure.hint}"
    if failure.log_tail:
        text += f"\nlog, last lines:\n{failure.log_tail.rstrip()}"
    return text


def trial_rows(evaluation: Evaluation) -> Rows:
    """Everything about one trial: the question, the numbers, their flaws, their origin."""
    return [
        *_identity(evaluation),
        *_observable_rows(evaluation),
        *_condition_rows(evaluation),
        *(
            _row(f"check {f.name}", f"{f.level}: {f.message}", method=f"limit {f.limit:.4g}")
            for f in evaluation.flags
        ),
        *_origin(evaluation),
    ]


def _row(
    quantity: str,
    value: Any,
    first: str | None = None,
    second: str | None = None,
    *,
    interval: str | None = None,
    unit: str = "",
    method: str = "",
) -> dict[str, Any]:
    return {
        "quantity": quantity,
        "value": value,
        "unit": unit,
        "95 % interval": interval,
        "boundary 1": first,
        "boundary 2": second,
        "method": method,
    }


def _identity(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    yield _row("trial", evaluation.trial)
    yield _row("boundary", evaluation.spec.label)
    yield _row("replicate", evaluation.replicate)
    yield _row("status", evaluation.status.value)
    if evaluation.ending is not None:
        yield _row("production ended", _ENDINGS[evaluation.ending])
    for name, value in evaluation.requested.items():
        proposed = f"{value:.6g}" if isinstance(value, float) else value
        yield _row(name, evaluation.params.get(name), method=f"proposed {proposed}")


def _observable_rows(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    if evaluation.objective is not None:
        goal = evaluation.objective
        yield _row("log10 objective", number(goal), unit=goal.unit, method=goal.method)
    for name, quantity in QUANTITIES.items():
        estimate = evaluation.observables.get(name)
        each = [b.observables.get(name) for b in evaluation.boundaries[:2]]
        known = [e for e in (estimate, *each) if e is not None]
        if known:
            yield _row(
                quantity.label,
                number(estimate),
                *(number(e) for e in each),
                interval=_interval(estimate),
                unit=known[0].unit,
                method=known[0].method,
            )


def _interval(estimate: Estimate | None) -> str | None:
    """The 95 % interval, to the digit of the error; of a bound there is none."""
    if estimate is None or estimate.bound or estimate.n_eff <= 1 or estimate.std_err == 0:
        return None
    low, high = confidence_interval(estimate, 0.95)
    digits = max(2, 2 - math.floor(math.log10(estimate.std_err / max(abs(low), abs(high)))))
    return f"{low:.{digits}g} to {high:.{digits}g}"


def _condition_rows(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    if evaluation.conditions is None:
        return
    for name, value in evaluation.conditions.model_dump().items():
        stem, _, unit = name.rpartition("_")
        if isinstance(value, float):
            yield _row(stem.replace("_", " "), float(f"{value:.6g}"), unit=unit)
        elif isinstance(value, dict):
            removed = ", ".join(f"{n} {oxide}" for oxide, n in value.items())
            yield _row(name.replace("_", " "), removed or "none")
        else:
            yield _row(name.removeprefix("n_"), value)


def _origin(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    provenance = evaluation.provenance
    if provenance.retry:
        times = "once" if provenance.retry == 1 else f"{provenance.retry} times"
        yield _row("evaluated before", times, method="failed; kept in its folder as earlier-1 ...")
    yield _row("MD steps", evaluation.md_steps)
    yield _row("minutes", round(seconds(evaluation) / 60, 1))
    for name in ("gbopt_version", "engine", "potential_key", "settings_key", "seed"):
        yield _row(name.replace("_", " "), getattr(provenance, name))
    yield _row("finished", provenance.finished_utc)
