"""Replicas of one boundary: their errors have a part in common, that of the bulk reference.

Every run at one temperature subtracts the same bulk crystal. A mean over n of them lowers what each
has of its own by the root of n, and leaves that part as it is.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from gbopt.analysis.boundary import log_objective
from gbopt.analysis.statistics import combine, propagate
from gbopt.model.evaluation import Evaluation
from gbopt.model.observables import Estimate
from gbopt.units import ANGSTROM_CM


def part_of_bulk(evaluation: Evaluation, name: str) -> float:
    """Part of the error of a figure that the bulk resistivity brings, in the unit of the figure.

    By ASR = R A - length rho and rho_gb = ASR/w + rho of half a cell; 0 for any other figure.
    """
    rho, made = evaluation.observables.get("bulk_resistivity"), evaluation.conditions
    if rho is None or made is None:
        return 0.0
    length_A = made.length_A / 2
    slopes = {
        "area_specific_resistance": length_A * ANGSTROM_CM,
        "gb_resistivity": abs(1 - length_A / made.nominal_width_A),
        "bulk_resistivity": 1.0,
    }
    return slopes.get(name, 0.0) * rho.std_err


def mean_of(evaluations: Sequence[Evaluation], name: str, *, log: bool = False) -> Estimate:
    """Mean of a figure over replicas, the bulk's part of the error once; bounds are not marked.

    Args:
        evaluations: of one boundary at one temperature, each with the figure.
        name: of the figure.
        log: of its log10.
    """
    estimates, shared = zip(*(_figure(e, name, log=log) for e in evaluations), strict=True)
    method = f"{evaluations[0].observables[name].method}; replicas"
    mean = combine([without(e, s) for e, s in zip(estimates, shared, strict=True)], method=method)
    rho = evaluations[0].observables.get("bulk_resistivity")
    if rho is None:
        return mean
    common = rho.model_copy(update={"std_err": statistics.fmean(shared)})
    return propagate(mean.value, [(1.0, mean), (1.0, common)], unit=mean.unit, method=method)


def own_log(evaluation: Evaluation, name: str) -> Estimate:
    """log10 of a figure, with the error that is this run's own."""
    return without(*_figure(evaluation, name, log=True))


def without(estimate: Estimate, shared: float) -> Estimate:
    """The same value without a part of its error."""
    own = math.sqrt(max(0.0, estimate.std_err**2 - shared**2))
    return estimate.model_copy(update={"std_err": own})


def _figure(evaluation: Evaluation, name: str, *, log: bool) -> tuple[Estimate, float]:
    """A figure, or its log10, and the bulk's part of its error."""
    figure, part = evaluation.observables[name], part_of_bulk(evaluation, name)
    if not log:
        return figure, part
    told = log_objective(figure)
    # What stands for a value that is not resolved has an error of another kind.
    resolved = told.bound != "upper"
    return told, part / (figure.value * math.log(10)) if resolved else 0.0
