"""The routes to a resistance side by side: of tracers, of all charge together, under a field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from gbopt.errors import AnalysisError
from gbopt.evaluate.agreement import RATIOS
from gbopt.model.evaluation import Evaluation
from gbopt.model.observables import Estimate
from gbopt.report.replicas import compared, mean_of

Rows = list[dict[str, Any]]


class _Route(NamedTuple):
    name: str
    per_area: str
    over_bulk: str


ROUTES = (
    _Route("tracer", "area_specific_resistance", RATIOS["tracer"]),
    _Route("collective", "area_specific_resistance_collective", RATIOS["collective"]),
    _Route("field", "area_specific_resistance_field", RATIOS["field"]),
)


def route_rows(boundary: str, temperature_K: float, done: Sequence[Evaluation]) -> Rows:
    """One row for each route that the replicas of a boundary have figures of; none for one alone.

    Args:
        boundary: what it is called.
        temperature_K: of the replicas.
        done: those that have finished.
    """
    rows = []
    for route in ROUTES:
        runs = [e for e in done if route.per_area in e.observables]
        if not runs:
            continue
        ratios = [e for e in runs if route.over_bulk in e.observables]
        rows.append(
            {
                "boundary": boundary,
                "T (K)": f"{temperature_K:g}",
                "route": route.name,
                "ASR (ohm cm2)": str(_mean(runs, route.per_area)),
                "resistance over bulk": str(_mean(ratios, route.over_bulk)) if ratios else None,
                "runs": len(runs),
            }
        )
    return rows if len(rows) > 1 else []


def _mean(runs: Sequence[Evaluation], name: str) -> Estimate:
    """The mean, its error not below that of a run where it holds that of the bulk unseen.

    Runs have their bulk reference in common, and of the collective and the field route a record
    does not tell how much of an error that is.
    """
    mean = mean_of(runs, name).model_copy(update={"unit": ""})
    if name == ROUTES[0].per_area:
        return mean
    of_one = sum(e.observables[name].std_err for e in runs) / len(runs)
    return mean.model_copy(update={"std_err": max(mean.std_err, of_one)})


def route_sentences(best: Sequence[Evaluation], reference: Sequence[Evaluation]) -> list[str]:
    """By how much the best beats the reference per area, by each route beside the tracer one.

    Args:
        best: finished runs of the best at one temperature.
        reference: finished runs of what it is held against, at the same temperature.
    """
    found = []
    for route in ROUTES[1:]:
        ours, theirs = (
            [e for e in side if route.per_area in e.observables] for side in (best, reference)
        )
        if not ours and not theirs:
            continue
        try:
            better = compared(ours, theirs, route.per_area)
            said = f"the reference has {better.times} that of the best ({better.surely})"
        except AnalysisError as error:
            said = f"no comparison: {error.message}"
        found.append(f"Resistance per area by the {route.name} route: {said}.")
    return found
