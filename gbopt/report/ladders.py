"""Resistances over the temperatures of a confirmation: fits, and what they say of others."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from gbopt.analysis.arrhenius import (
    ArrheniusFit,
    Point,
    fit_arrhenius,
    fit_replicas,
    is_resolved,
)
from gbopt.analysis.boundary import log_objective
from gbopt.analysis.statistics import Bound, interval, propagate
from gbopt.errors import AnalysisError
from gbopt.model.evaluation import Evaluation
from gbopt.model.observables import Estimate, format_with_error
from gbopt.report.replicas import apart, mean_of, own_log
from gbopt.report.tables import Rows

LADDERS = (
    ("gb_resistivity", "conductivity of the boundary phase"),
    ("area_specific_resistance", "conductance per area of the boundary"),
)
"""What is fitted: the reciprocal of a resistance, which is what is activated."""
CRYSTAL = ("bulk_resistivity", "conductivity of the crystal")
_UNITS = {"ohm cm": "S/cm", "ohm cm2": "S/cm2"}
_LEVEL = 0.95
_LEAST_REPLICAS = 2
_AS_IF_INDEPENDENT = (
    "replicas lack temperatures, so their means were fitted as if each were of other structures: "
    "the errors are a guess."
)
# Points of a fitted line between the hottest run and the temperature of the extrapolation.
_ALONG = 25


class Ladder(NamedTuple):
    """One Arrhenius fit, or why there is none."""

    of: str
    """The boundary's role, or "bulk"."""
    what: str
    fit: ArrheniusFit | None
    why_not: str
    points: tuple[Point, ...] = ()
    """What was measured."""


Runs = Mapping[float, Mapping[int, Evaluation]]
"""Finished runs of one boundary by temperature, K, and replica."""


def fit_ladder(of: str, what: str, name: str, runs: Runs) -> Ladder:
    """Fit the conductance of a boundary over temperature.

    Replicas with a value at all temperatures that can be fitted are fitted each by itself, as they
    are the same structure from one to the other. With less than two of them the means are fitted.

    Args:
        of: the boundary's role.
        what: the quantity in words.
        name: of the resistance.
        runs: that have the resistance.
    """
    every = {replica for there in runs.values() for replica in there}
    points = _means(name, {T: list(there.values()) for T, there in runs.items()})
    fitted = [T for T, point in points if is_resolved(point)]
    whole = {n for n in every if all(_is_clear(runs[T].get(n), name) for T in fitted)}
    if len(whole) < _LEAST_REPLICAS:
        alike = () if len(every) < _LEAST_REPLICAS else (_AS_IF_INDEPENDENT,)
        return _ladder(of, what, points, alike, lambda: _fit(points))
    kept = {T: [e for n, e in runs[T].items() if n in whole] for T in fitted}
    means = dict(_means(name, kept))
    points = tuple((T, means.get(T, point)) for T, point in points)
    ladders = [
        {T: _own_conductance(there[n], name) for T, there in runs.items() if n in there}
        for n in sorted(whole)
    ]
    shared = {T: _shared(name, there) for T, there in kept.items()}
    missing = len(every) - len(whole)
    said = (f"{missing} of {len(every)} replicas lack a temperature and were left out.",)
    return _ladder(
        of,
        what,
        points,
        said if missing else (),
        lambda: fit_replicas(points, ladders, shared, quantity="conductivity"),
    )


def fit_crystal(runs: Mapping[float, Sequence[Evaluation]]) -> Ladder:
    """Fit the conductivity of the crystal, whose reference all runs at one temperature share.

    Args:
        runs: finished ones by temperature, K.
    """
    name, what = CRYSTAL
    points = _means(name, runs)
    return _ladder("bulk", what, points, (), lambda: _fit(points))


def _fit(points: tuple[Point, ...]) -> ArrheniusFit:
    return fit_arrhenius(points, quantity="conductivity")


def _ladder(
    of: str,
    what: str,
    points: tuple[Point, ...],
    warnings: tuple[str, ...],
    fit: Callable[[], ArrheniusFit],
) -> Ladder:
    try:
        found = fit()
    except AnalysisError as error:
        return Ladder(of, what, None, error.message, points)
    return Ladder(of, what, replace(found, warnings=(*found.warnings, *warnings)), "", points)


def _means(name: str, runs: Mapping[float, Sequence[Evaluation]]) -> tuple[Point, ...]:
    return tuple((T, conductance(there, name)) for T, there in sorted(runs.items()) if there)


def _is_clear(run: Evaluation | None, name: str) -> bool:
    return run is not None and is_resolved(_own_conductance(run, name))


def _own_conductance(run: Evaluation, name: str) -> Estimate:
    """One over a resistance, with the error that is the run's own."""
    log = own_log(run, name)
    value = 10.0**-log.value
    unit = _UNITS[run.observables[name].unit]
    terms = [(value * math.log(10), log)]
    bound = _opposite({log.bound} - {None})
    return propagate(value, terms, unit=unit, method=f"one over: {log.method}", bound=bound)


def _shared(name: str, runs: Sequence[Evaluation]) -> Estimate:
    """The relative error that the bulk reference brings to all runs at one temperature."""
    _, log10 = apart(runs, name, log=True)
    rho = runs[0].observables.get("bulk_resistivity")
    return Estimate(
        value=1.0,
        std_err=abs(log10) * math.log(10),
        unit="",
        n_eff=rho.n_eff if rho else 2,
        method="bulk reference",
    )


def measured_rows(ladder: Ladder) -> Rows:
    """One row for each point; ``low`` and ``high`` are a standard error away."""
    return [
        {
            "what": "measured",
            "T_K": T,
            "value": point.value,
            "low": point.value - point.std_err,
            "high": point.value + point.std_err,
            "bound": point.bound,
            "unit": point.unit,
        }
        for T, point in ladder.points
    ]


def fitted_rows(ladder: Ladder, at_K: float) -> Rows:
    """The fit from its hottest run to another temperature, evenly in 1/T, with 95 % intervals."""
    fit = ladder.fit
    if fit is None:
        return []
    ends = max(*fit.temperatures_K, at_K), min(*fit.temperatures_K, at_K)
    rows: Rows = []
    for T in (1 / np.linspace(1 / ends[0], 1 / ends[1], _ALONG)).tolist():
        low, high = (10.0**x for x in fit.interval_at(T, _LEVEL))
        value = 10.0 ** fit.at(T).value
        row = {"what": "fit", "T_K": T, "value": value, "low": low, "high": high}
        rows.append(row | {"bound": None, "unit": fit.unit})
    return rows


def conductance(evaluations: Sequence[Evaluation], name: str) -> Estimate:
    """One over the geometric mean of replicas; a bound if any is one or is not resolved.

    Args:
        evaluations: of one boundary at one temperature, each with the resistance.
        name: of the resistance.
    """
    resistances = [e.observables[name] for e in evaluations]
    mean = mean_of(evaluations, name, log=True)
    value = 10.0**-mean.value
    return propagate(
        value,
        [(value * math.log(10), mean)],
        unit=_UNITS[resistances[0].unit],
        method=f"one over: {mean.method}",
        bound=_opposite({log_objective(r).bound for r in resistances} - {None}),
    )


def _opposite(bounds: set[Bound]) -> Bound:
    """A resistance known from below is a conductance known from above, and the reverse."""
    return "lower" if bounds == {"upper"} else "upper" if bounds else None


def ladder_row(ladder: Ladder, at_K: float) -> dict[str, Any]:
    """Activation energy, and the conductance at another temperature."""
    row: dict[str, Any] = {"boundary": ladder.of, "quantity": ladder.what}
    if ladder.fit is None:
        return row | dict.fromkeys(("Ea (eV)", f"at {at_K:g} K", "95 % interval", "T (K)"))
    fit = ladder.fit
    value = fit.at(at_K)
    low, high = (10.0**x for x in interval(value, _LEVEL))
    return row | {
        "Ea (eV)": format_with_error(fit.Ea_eV.value, fit.Ea_eV.std_err),
        f"at {at_K:g} K": f"{10.0**value.value:.2g} {fit.unit}",
        "95 % interval": f"{low:.2g} to {high:.2g} {fit.unit}",
        "T (K)": ", ".join(f"{T:g}" for T in fit.temperatures_K),
    }
