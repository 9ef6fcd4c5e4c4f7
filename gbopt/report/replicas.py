"""Replicas of one boundary: their errors have a part in common, that of the bulk reference.

Every run at one temperature subtracts the same bulk crystal. A mean over n of them lowers what each
has of its own by the root of n, and leaves that part as it is.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from gbopt.analysis.boundary import log_objective
from gbopt.analysis.replicates import Improvement, SeedScatter, improvement
from gbopt.analysis.statistics import Bound, combine, propagate
from gbopt.model.evaluation import Evaluation
from gbopt.model.observables import Estimate
from gbopt.units import ANGSTROM_CM


def part_of_bulk(evaluation: Evaluation, name: str) -> float:
    """What a figure is off by where the bulk resistivity is high by its error, in its own unit.

    By ASR = R A - length rho and rho_gb = ASR/w + rho of half a cell, and rho_gb over rho. Figures
    that are not here hold none of it, but for that of the measured width and the boundary energy,
    which has a bulk figure of its own: their means take it for their own error.
    """
    rho, made = evaluation.observables.get("bulk_resistivity"), evaluation.conditions
    if rho is None or made is None:
        return 0.0
    asr = evaluation.observables.get("area_specific_resistance")
    length_A = made.length_A / 2
    slab = (asr.value if asr else 0.0) + length_A * ANGSTROM_CM * rho.value
    slopes = {
        "area_specific_resistance": -length_A * ANGSTROM_CM,
        "gb_resistivity": 1 - length_A / made.nominal_width_A,
        "bulk_resistivity": 1.0,
        "blocking_factor": -slab / (made.nominal_width_A * ANGSTROM_CM * rho.value**2),
    }
    return slopes.get(name, 0.0) * rho.std_err


def mean_of(evaluations: Sequence[Evaluation], name: str, *, log: bool = False) -> Estimate:
    """Mean of a figure over replicas, the bulk's part of the error once.

    With a lower bound among them it is one, else with an upper bound that. Of both kinds together
    a mean would be neither: the upper ones, which noise hides, are then left out.

    Args:
        evaluations: of one boundary at one temperature, each with the figure.
        name: of the figure.
        log: of its log10.
    """
    if len(evaluations) == 1:
        return _figure(evaluations[0], name, log=log)[0]
    mean, shared = apart(evaluations, name, log=log)
    return _with_bulk(mean, shared, evaluations[0])


def apart(
    evaluations: Sequence[Evaluation], name: str, *, log: bool = False
) -> tuple[Estimate, float]:
    """The mean of ``mean_of`` with the error that is its own, and what an error of the bulk adds.

    Args:
        evaluations: see ``mean_of``.
        name: see ``mean_of``.
        log: see ``mean_of``.
    """
    figures = [_figure(e, name, log=log) for e in evaluations]
    if {"lower", "upper"} <= {estimate.bound for estimate, _ in figures}:
        figures = [(estimate, part) for estimate, part in figures if estimate.bound != "upper"]
    method = f"{evaluations[0].observables[name].method}; mean of {len(figures)} replicas"
    mean = combine([without(estimate, shared) for estimate, shared in figures], method=method)
    bounds = {estimate.bound for estimate, _ in figures}
    bound: Bound = "lower" if "lower" in bounds else "upper" if "upper" in bounds else None
    own = mean.model_copy(update={"bound": bound})
    return own, statistics.fmean(shared for _, shared in figures)


def compared(
    best: Sequence[Evaluation],
    others: Sequence[Evaluation],
    name: str,
    scatter: SeedScatter | None = None,
) -> Improvement:
    """By how much the best beats others of the same bulk reference.

    An error of the bulk moves both sides: only what it moves them apart by is in the interval.

    Args:
        best: finished evaluations of the best.
        others: finished evaluations of what it is held against.
        name: of the figure.
        scatter: see ``improvement``.

    Raises:
        AnalysisError: see ``improvement``.
    """
    own, theirs = ([own_log(e, name) for e in side] for side in (best, others))
    found = improvement(own, theirs, scatter)
    one, two = (
        statistics.fmean(_figure(e, name, log=True)[1] for e in side) for side in (best, others)
    )
    return Improvement(_with_bulk(found.log10_factor, two - one, best[0]))


def _with_bulk(estimate: Estimate, shared: float, of: Evaluation) -> Estimate:
    """With an error that the bulk reference of an evaluation brings."""
    parts = [(1.0, estimate)]
    if rho := of.observables.get("bulk_resistivity"):
        parts.append((1.0, rho.model_copy(update={"std_err": abs(shared)})))
    return propagate(
        estimate.value, parts, unit=estimate.unit, method=estimate.method, bound=estimate.bound
    )


def own_log(evaluation: Evaluation, name: str) -> Estimate:
    """log10 of a figure, with the error that is this run's own."""
    return without(*_figure(evaluation, name, log=True))


def without(estimate: Estimate, shared: float) -> Estimate:
    """The same value without a part of its error."""
    own = math.sqrt(max(0.0, estimate.std_err**2 - shared**2))
    return estimate.model_copy(update={"std_err": own})


def _figure(evaluation: Evaluation, name: str, *, log: bool) -> tuple[Estimate, float]:
    """A figure, or its log10, and what an error of the bulk adds to it."""
    figure, part = evaluation.observables[name], part_of_bulk(evaluation, name)
    if not log:
        return figure, part
    told = log_objective(figure)
    # What stands for a value that is not resolved has an error of another kind.
    resolved = figure.value > 0 and told.bound != "upper"
    return told, part / (figure.value * math.log(10)) if resolved else 0.0
