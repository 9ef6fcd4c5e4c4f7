"""The routes to a resistance side by side: of tracers, of all charge together, under a field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from gbopt.analysis.replicates import Improvement
from gbopt.errors import AnalysisError
from gbopt.evaluate.agreement import RATIOS
from gbopt.model.evaluation import Evaluation
from gbopt.report.replicas import compared, mean_of, own_log
from gbopt.report.tables import Rows


class _Route(NamedTuple):
    name: str
    sigma: str
    per_area: str
    over_bulk: str


ROUTES = (
    _Route("tracer", "conductivity_through_plane", "area_specific_resistance", RATIOS["tracer"]),
    _Route(
        "collective",
        "conductivity_collective",
        "area_specific_resistance_collective",
        RATIOS["collective"],
    ),
    _Route("field", "conductivity_field", "area_specific_resistance_field", RATIOS["field"]),
)
_HOLDS_BULK = {r.over_bulk for r in ROUTES} | {r.per_area for r in ROUTES[1:]}


def route_rows(boundary: str, temperature_K: float, done: Sequence[Evaluation]) -> Rows:
    """One row for each route that the replicas of a boundary have figures of.

    Without a resistance where the conductivity of the cell, or of bulk, is not told from zero.

    Args:
        boundary: what it is called.
        temperature_K: of the replicas.
        done: those that have finished.
    """
    rows = []
    for route in ROUTES:
        if not any(route.sigma in e.observables for e in done):
            continue
        rows.append(
            {
                "boundary": boundary,
                "T (K)": f"{temperature_K:g}",
                "route": route.name,
                "conductivity (S/cm)": _mean(done, route.sigma),
                "ASR (ohm cm2)": _mean(done, route.per_area),
                "resistance over bulk": _mean(done, route.over_bulk),
                "runs with ASR": sum(route.per_area in e.observables for e in done),
            }
        )
    return rows


def _mean(done: Sequence[Evaluation], name: str) -> str | None:
    """The mean, its error not below that of a run where it holds that of the bulk unseen.

    Runs have their bulk reference in common, and of the collective and the field route a record
    does not tell how much of an error that is.
    """
    runs = [e for e in done if name in e.observables]
    if not runs:
        return None
    mean = mean_of(runs, name)
    if name in _HOLDS_BULK:
        of_one = sum(e.observables[name].std_err for e in runs) / len(runs)
        mean = mean.model_copy(update={"std_err": max(mean.std_err, of_one)})
    return str(mean.model_copy(update={"unit": ""}))


def _floored(
    better: Improvement, ours: Sequence[Evaluation], theirs: Sequence[Evaluation], name: str
) -> Improvement:
    """With an error not below that of a comparison of one run with one, as in ``_mean``."""
    of_one = (sum(own_log(e, name).std_err for e in side) / len(side) for side in (ours, theirs))
    least = max(better.log10_factor.std_err, math.hypot(*of_one))
    return Improvement(better.log10_factor.model_copy(update={"std_err": least}))


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
        if not any(route.sigma in e.observables for e in (*best, *reference)):
            continue
        shown = f"{len(ours)} of {len(best)} runs of the best and {len(theirs)} of "
        shown += f"{len(reference)} of the reference show one"
        if len(ours) < len(best):  # those that do not may be the ones that resist most
            found.append(f"Resistance per area by the {route.name} route: no comparison: {shown}.")
            continue
        try:
            better = _floored(compared(ours, theirs, route.per_area), ours, theirs, route.per_area)
            said = f"the reference has {better.times} that of the best ({better.surely}); {shown}"
        except AnalysisError as error:
            said = f"no comparison: {error.message}"
        found.append(f"Resistance per area by the {route.name} route: {said}.")
    return found
