"""Error bars: the jackknife over disjoint time segments, propagation, combination, intervals.

Disjoint segments with Student's t stay honest where fits to correlated points do not: their
intervals cover the truth for Brownian, hopping, collective and nearly frozen motion alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from gbopt.errors import AnalysisError
from gbopt.model.observables import Estimate

Mask = NDArray[np.bool_]
"""(segments,) True for the time segments that take part."""
Bound = Literal["lower", "upper"] | None


class Jackknife(NamedTuple):
    """Outcome of a delete-one jackknife; arrays have the shape of the function's value."""

    value: NDArray[np.float64]
    """The function of all segments."""
    std_err: NDArray[np.float64]
    bias: NDArray[np.float64]
    """Estimated bias of ``value``; subtracting it leaves an error of order 1/segments^2."""


class PerBoundary(NamedTuple):
    """A figure of the two boundaries of a cell: their mean, and each alone."""

    mean: Estimate
    each: tuple[Estimate, Estimate]


def jackknife(function: Callable[[Mask], float | NDArray[np.float64]], segments: int) -> Jackknife:
    """Delete-one jackknife of a function of segment sums (Efron and Stein 1981).

    Args:
        function: value computed from the segments that a (segments,) mask selects.
        segments: number of segments, at least 2.
    """
    value = np.asarray(function(np.ones(segments, dtype=bool)), dtype=float)
    left_out = np.array([function(row) for row in ~np.eye(segments, dtype=bool)], dtype=float)
    mean = left_out.mean(axis=0)
    spread = ((left_out - mean) ** 2).sum(axis=0)
    std_err = np.sqrt((segments - 1) / segments * spread)
    return Jackknife(value, std_err, (segments - 1) * (mean - value))


def segment_estimate(
    function: Callable[[Mask], float],
    segments: int,
    *,
    unit: str,
    method: str,
    correct_bias: bool = False,
    bound: Bound = None,
) -> Estimate:
    """Jackknife a scalar into an Estimate with ``segments`` effective samples.

    Raises:
        AnalysisError: the value or its error is not a finite number.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        outcome = jackknife(function, segments)
    value = float(outcome.value - outcome.bias) if correct_bias else float(outcome.value)
    std_err = float(outcome.std_err)
    if not (math.isfinite(value) and math.isfinite(std_err)):
        raise AnalysisError(
            f"the trajectory holds no data for: {method}",
            hint="check that the slab contains the ions asked about, or run longer",
        )
    return Estimate(
        value=value, std_err=std_err, unit=unit, n_eff=segments, method=method, bound=bound
    )


def over_boundaries(
    function: Callable[[Mask], NDArray[np.float64]], segments: int, *, unit: str, method: str
) -> PerBoundary:
    """Jackknife a function that returns one value for each boundary, (2,), and their mean."""

    def weighted(first: float, second: float) -> Estimate:
        return segment_estimate(
            lambda mask: float(function(mask) @ (first, second)),
            segments,
            unit=unit,
            method=method,
        )

    each = weighted(1.0, 0.0), weighted(0.0, 1.0)
    return PerBoundary(widened(weighted(0.5, 0.5), each), each)


def widened(mean: Estimate, each: tuple[Estimate, Estimate]) -> Estimate:
    """The mean over two boundaries with an error not below what they differ by.

    Time segments of one run do not see that every boundary of a geometry freezes in another
    structure; the two boundaries of the cell are two draws of it (``combine``).
    """
    drawn = combine(each, method=f"{mean.method}; scatter of the two boundaries")
    if drawn.std_err <= mean.std_err:
        return mean
    changes = {"std_err": drawn.std_err, "n_eff": drawn.n_eff, "method": drawn.method}
    return mean.model_copy(update=changes)


def propagate(
    value: float,
    terms: Sequence[tuple[float, Estimate]],
    *,
    unit: str,
    method: str,
    bound: Bound = None,
) -> Estimate:
    """Error of a value from those of independent inputs, to first order.

    Args:
        value: the value itself.
        terms: for each input the derivative of the value with respect to it, and the input.
        unit: unit of the value.
        method: how it was got.
        bound: set where the value is only a bound.

    Returns:
        An Estimate whose n_eff follows Welch (1947) and Satterthwaite (1946).
    """
    parts = [((slope * term.std_err) ** 2, term.n_eff - 1.0) for slope, term in terms]
    variance, n_eff = _welch_satterthwaite(parts)
    return Estimate(
        value=value,
        std_err=math.sqrt(variance),
        unit=unit,
        n_eff=n_eff,
        method=method,
        bound=bound,
    )


def combine(estimates: Sequence[Estimate], *, method: str) -> Estimate:
    """Plain mean of independent estimates; what they differ by is part of its error.

    Random-effects model: the variance of the mean is (s_w^2 + tau^2)/n with the mean variance
    within the estimates s_w^2 and tau^2 what the variance between them exceeds it by. The
    weights are equal because variances from a few segments are too noisy to weight with.

    Raises:
        AnalysisError: no estimates.
    """
    if not estimates:
        raise AnalysisError("there is nothing to combine", hint="run at least one replica")
    n = len(estimates)
    values = np.array([e.value for e in estimates])
    within = float(np.mean([e.std_err**2 for e in estimates]))
    excess = max(0.0, float(values.var(ddof=1)) - within) if n > 1 else 0.0
    degrees = max(sum(e.n_eff - 1.0 for e in estimates), 1.0)
    variance, n_eff = _welch_satterthwaite([(within / n, degrees), (excess / n, max(n - 1.0, 1.0))])
    return Estimate(
        value=float(values.mean()),
        std_err=math.sqrt(variance),
        unit=estimates[0].unit,
        n_eff=n_eff,
        method=method,
    )


def interval(estimate: Estimate, level: float) -> tuple[float, float]:
    """Confidence interval from Student's t with n_eff - 1 degrees of freedom.

    Args:
        estimate: the estimate.
        level: probability of covering the truth, such as 0.95.

    Raises:
        AnalysisError: an estimate from a single sample, which has no interval.
    """
    if estimate.n_eff <= 1:
        raise AnalysisError(
            f"an interval needs n_eff above 1, got {estimate.n_eff:g}",
            hint="measure over more segments or replicas",
        )
    half = float(student_t.ppf(0.5 + level / 2, estimate.n_eff - 1)) * estimate.std_err
    return estimate.value - half, estimate.value + half


def _welch_satterthwaite(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Sum (variance, degrees of freedom) pairs into a variance and n_eff = degrees + 1."""
    variance = sum(part for part, _ in parts)
    noisy = [(part, degrees) for part, degrees in parts if part > 0]
    if not noisy:
        return 0.0, min(degrees for _, degrees in parts) + 1.0
    return variance, variance**2 / sum(part**2 / degrees for part, degrees in noisy) + 1.0
