"""Whether the routes to the resistance agree, and which of them is the objective.

Each gives the resistance of a cell over that of bulk crystal of its length, in which all can be
compared: the correlation between ions, which the tracer route leaves out, cancels from it as far
as it is the same at the boundary and in the crystal.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from gbopt.analysis.statistics import propagate
from gbopt.model.evaluation import QualityFlag
from gbopt.model.observables import Estimate

AGREE_SIGMAS = 3.0
_COARSE = 0.25
Observables = dict[str, Estimate]
RATIOS = {
    "tracer": "resistance_ratio_tracer",
    "collective": "resistance_ratio_collective",
    "field": "resistance_ratio_field",
}


def tracer_ratio(tracer: Observables) -> Observables:
    """Resistance of the cell over that of bulk crystal of its length, by the tracer route."""
    rho, sigma = tracer["bulk_resistivity"], tracer["conductivity_through_plane"]
    value = 1 / (rho.value * sigma.value)
    ratio = propagate(
        value,
        [(-value / rho.value, rho), (-value / sigma.value, sigma)],
        unit="",
        method="bulk over cell conductivity, tracer",
        bound="lower" if sigma.bound == "upper" else None,
    )
    return {RATIOS["tracer"]: ratio}


def ratio(sigma_bulk: Estimate, sigma: Estimate) -> Estimate:
    """Bulk over cell conductivity."""
    value = sigma_bulk.value / sigma.value
    return propagate(
        value,
        [(1 / sigma.value, sigma_bulk), (-value / sigma.value, sigma)],
        unit="",
        method=f"bulk over cell conductivity, {sigma.method}",
    )


def haven_ratio(tracer: Estimate, correlated: Estimate) -> Estimate | None:
    """Nernst-Einstein over correlated conductivity; None where the latter is not resolved."""
    if correlated.value < 2 * correlated.std_err or correlated.value <= 0:
        return None
    ratio = tracer.value / correlated.value
    return propagate(
        ratio,
        [(1 / correlated.value, tracer), (-ratio / correlated.value, correlated)],
        unit="",
        method=f"Nernst-Einstein over: {correlated.method}",
    )


def agreement(observables: Observables) -> QualityFlag:
    """Which routes were run, whether they agree, which one is the objective, and why.

    Args:
        observables: of the whole cell.
    """
    found = {
        name: observables[key]
        for name, key in RATIOS.items()
        if key in observables and observables[key].bound is None
    }
    said = ", ".join(f"{name} {estimate}" for name, estimate in found.items())
    apart = max((_apart(a, b) for a, b in combinations(found.values(), 2)), default=0.0)
    agree = apart < AGREE_SIGMAS
    coarse = max((e.std_err / abs(e.value) for e in found.values()), default=0.0) > _COARSE
    verdict = f"they lie {apart:.1f} standard errors apart"
    if agree and not coarse:
        verdict = "they agree"
    elif agree:
        verdict += ", which at such errors shows little"
    return route_flag(
        "routes_agree",
        ok=agree,
        measured=apart,
        limit=AGREE_SIGMAS,
        message=f"resistance of the cell over bulk crystal: {said or 'not resolved'}; "
        + (verdict if len(found) > 1 else "no second route to compare with")
        + ". The tracer route is the objective: it needs no run of its own, and took the least "
        "MD for a given error on the boundary that all three were tried on.",
    )


def _apart(one: Estimate, other: Estimate) -> float:
    joint = float(np.hypot(one.std_err, other.std_err))
    return abs(one.value - other.value) / joint if joint > 0 else 0.0


def route_flag(name: str, *, ok: bool, measured: float, limit: float, message: str) -> QualityFlag:
    """A check that is passed, or warned of."""
    return QualityFlag(
        name=name,
        level="ok" if ok else "warn",
        measured=round(float(measured), 3),
        limit=limit,
        message=message,
    )
