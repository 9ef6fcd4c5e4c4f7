"""Regression of the objective on one quantity that came out with it: a line, and what it says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gbopt.analysis.regression import linear_regression
from gbopt.campaign.view import CampaignView
from gbopt.errors import AnalysisError
from gbopt.report.boundaries import finished
from gbopt.report.series import OBSERVABLES, Rows


class Trend(NamedTuple):
    """A regression line."""

    rows: Rows
    """Two or more points of it, with the ends of the 95 % interval of its slope."""
    sentence: str


def trend(view: CampaignView, key: str) -> Trend:
    """Regress log10 of the objective on one of ``series.OBSERVABLES`` alone.

    Bounds are left out; replicates share what the line misses at their geometry.
    """
    known = [
        (e.observables[OBSERVABLES[key]].value, o, e.spec.geometry_key)
        for e in finished(view)
        if OBSERVABLES[key] in e.observables
        and (o := e.objective)
        and o.bound is None
        and o.std_err > 0
    ]
    x = np.array([value for value, _, _ in known])
    try:
        fit = linear_regression(
            x[:, None],
            [o.value for _, o, _ in known],
            [o.std_err for _, o, _ in known],
            [key],
            [group for _, _, group in known],
        )
    except AnalysisError as error:
        return Trend([], f"No regression on it yet: {error.message}.")
    if not fit.coefficients:
        return Trend([], "It is the same everywhere.")
    (coefficient,) = fit.coefficients
    slope, centre = coefficient.raw, float(x.mean())
    middle = fit.intercept + slope.value * centre
    rows: Rows = []
    for at in np.linspace(x.min(), x.max(), 9).tolist():
        ends = sorted(middle + s * (at - centre) for s in (slope.low, slope.high))
        row = {key: at, "log10_objective": middle + slope.value * (at - centre)}
        rows.append(row | {"low": ends[0], "high": ends[1]})
    return Trend(
        rows,
        f"Regression on it alone, over {fit.points} evaluations: {slope.value:+.2g} decades per "
        f"unit (95 % interval {slope.low:+.2g} to {slope.high:+.2g}, which the shade shows), "
        f"{100 * max(0.0, fit.r2_adjusted):.0f} % of the variance.",
    )
