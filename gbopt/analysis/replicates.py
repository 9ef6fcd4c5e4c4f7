"""Replicates: what other seeds of one geometry differ by, and whether the best beats a reference.

A seed fixes termination, rigid translation and Li ordering, so every replicate freezes another
structure. The error bar of a run does not see that; only replicates do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import chi2
from scipy.stats import t as student_t

from gbopt.analysis.statistics import interval
from gbopt.errors import AnalysisError
from gbopt.model.observables import Estimate

METHOD = "Welch's t over replicates, seed scatter and measurement errors included"


@dataclass(frozen=True)
class SeedScatter:
    """What replicates differ by, pooled over geometries, in decades.

    Args:
        std_dev: standard deviation between seeds beyond the error bars; 0 where the error bars
            explain all.
        interval: its 95 % confidence interval.
        variance: variance between replicates, error bars included, decades^2.
        error_variance: mean squared error bar, decades^2.
        dof: degrees of freedom of ``variance``: replicates less geometries.
        error_dof: degrees of freedom of ``error_variance``.
    """

    std_dev: float
    interval: tuple[float, float]
    variance: float
    error_variance: float
    dof: int
    error_dof: float


@dataclass(frozen=True)
class Improvement:
    """How much less the best resists than the reference.

    Args:
        log10_factor: mean of the reference less that of the best, decades.
    """

    log10_factor: Estimate

    @property
    def p(self) -> float:
        """One-sided p-value of the best being no better."""
        t = self.log10_factor.value / self.log10_factor.std_err
        return float(student_t.sf(t, self.log10_factor.n_eff - 1))

    @property
    def factor(self) -> float:
        """Resistance of the reference over that of the best."""
        return float(10**self.log10_factor.value)

    def interval(self, level: float) -> tuple[float, float]:
        """Confidence interval of the factor, such as at the level 0.68 or 0.95."""
        low, high = interval(self.log10_factor, level)
        return 10**low, 10**high

    @property
    def is_shown(self) -> bool:
        """Whether the 95 % interval leaves out that the best is no better."""
        return self.interval(0.95)[0] > 1

    @property
    def times(self) -> str:
        """The factor in words."""
        least = "at least " if self.log10_factor.bound else ""
        return f"{least}{self.factor:.3g} times"

    @property
    def surely(self) -> str:
        """Between which ends the factor lies, in words; of a least one only the lower is known."""
        low, high = self.interval(0.95)
        if self.log10_factor.bound:
            return f"above {low:.3g} with a confidence of 97.5 %"
        return f"95 % interval {low:.3g} to {high:.3g}"

    @property
    def sentence(self) -> str:
        """The finding in words."""
        end = "better beyond seed noise" if self.is_shown else "not shown to be better"
        return (
            f"The reference has {self.times} the resistance of the best "
            f"({self.surely}, one-sided p = {self.p:.2g}): {end}."
        )

    def as_dict(self) -> dict[str, float | str | None]:
        """The factor, the ends of its 95 % interval, and its log10 with error, as plain JSON."""
        low, high = self.interval(0.95)
        bound = self.log10_factor.bound
        return {
            "factor": self.factor,
            "low": low,
            "high": None if bound else high,
            "bound": bound,
            "log10_factor": self.log10_factor.value,
            "log10_factor_err": self.log10_factor.std_err,
            "p": self.p,
        }


class _Part(NamedTuple):
    """A share of the variance of the difference, and how well it is known."""

    variance: float
    dof: float


def seed_scatter(groups: Sequence[Sequence[Estimate]]) -> SeedScatter:
    """Pool what replicates of each geometry differ by.

    The interval is that of chi-square for the variance between replicates, less the error bars.

    Args:
        groups: log10 values of the replicates of each geometry; bounds and geometries with a
            single value are passed over.

    Raises:
        AnalysisError: no geometry has two replicates.
    """
    known = [[e for e in group if e.bound is None] for group in groups]
    known = [group for group in known if len(group) > 1]
    if not known:
        raise AnalysisError(
            "no geometry has two replicates, so what seeds differ by is not known",
            hint="evaluate the best or the reference with a second seed",
        )
    dof = sum(len(group) - 1 for group in known)
    variance = sum((len(g) - 1) * _variance(g) for g in known) / dof
    errors = sum((len(g) - 1) * _squared_error(g) for g in known) / dof
    ends = [variance * dof / float(chi2.ppf(q, dof)) for q in (0.975, 0.025)]
    std_dev, low, high = (math.sqrt(max(0.0, v - errors)) for v in (variance, *ends))
    error_dof = sum(_error_dof(e) for group in known for e in group)
    return SeedScatter(std_dev, (low, high), variance, errors, dof, error_dof)


def improvement(
    best: Sequence[Estimate],
    reference: Sequence[Estimate],
    scatter: SeedScatter | None = None,
) -> Improvement:
    """Compare replicates of the best with replicates of a reference.

    Welch's t of the replicate values (Biometrika 34 (1947) 28): their variance holds the scatter
    of seeds and the errors of measurement alike. It is never taken to be below the quoted errors,
    which two or three values may undercut by chance. Where a side has one replicate, both take
    the pooled scatter instead. Degrees of freedom are Satterthwaite's (Biometrics Bull. 2 (1946)
    110).

    The best of many was chosen for low values, so those values flatter it: only replicates run
    after the choice give an unbiased factor.

    Args:
        best: log10 values of the replicates of the best.
        reference: log10 values of those of the reference, same quantity and unit.
        scatter: pooled over all geometries of a campaign; needed where a side has one replicate,
            by default taken from the two sides.

    Raises:
        AnalysisError: a side without values, one that a bound makes worthless, or one replicate
            a side and no scatter.
    """
    _require_comparable(best, reference)
    sides = best, reference
    if all(len(side) > 1 for side in sides):
        parts = [_own(side) for side in sides]
        variance = sum(part.variance for part in parts)
    else:
        pooled = scatter or seed_scatter(sides)
        # Both sides lean on one pooled variance, so its errors add up before they are squared.
        share = sum(1 / len(side) for side in sides)
        parts = [
            *(_measured(side) for side in sides),
            _Part(share * pooled.variance, pooled.dof),
            _Part(share * pooled.error_variance, pooled.error_dof),
        ]
        variance = share * pooled.std_dev**2 + sum(_measured(side).variance for side in sides)
    return _difference(best, reference, variance, parts)


def _difference(
    best: Sequence[Estimate], reference: Sequence[Estimate], variance: float, parts: list[_Part]
) -> Improvement:
    if variance == 0:
        raise AnalysisError(
            "the replicates have no errors and do not differ, so nothing can be said of chance",
            hint="give each value its standard error",
        )
    # Satterthwaite's may fall below the least of the parts, as one of them is a difference.
    dof = max(
        variance**2 / sum(part.variance**2 / part.dof for part in parts),
        min(part.dof for part in parts),
    )
    log10_factor = Estimate(
        value=_mean(reference) - _mean(best),
        std_err=math.sqrt(variance),
        unit="log10",
        n_eff=dof + 1,
        method=METHOD,
        bound="lower" if any(e.bound for e in (*best, *reference)) else None,
    )
    return Improvement(log10_factor)


def _require_comparable(best: Sequence[Estimate], reference: Sequence[Estimate]) -> None:
    if not best or not reference:
        raise AnalysisError(
            "a comparison needs a value of the best and one of the reference",
            hint="evaluate both",
        )
    if any(e.bound == "lower" for e in best) or any(e.bound == "upper" for e in reference):
        raise AnalysisError(
            "the best may be worse, or the reference better, than its value, which is a bound",
            hint="run these longer, until their values are resolved",
        )


def _own(side: Sequence[Estimate]) -> _Part:
    """Variance of the mean of replicates, from what they differ by."""
    return _Part(max(_variance(side), _squared_error(side)) / len(side), len(side) - 1.0)


def _measured(side: Sequence[Estimate]) -> _Part:
    """Variance of the mean of replicates, from their error bars alone."""
    return _Part(_squared_error(side) / len(side), sum(_error_dof(e) for e in side))


def _mean(side: Sequence[Estimate]) -> float:
    return float(np.mean([e.value for e in side]))


def _variance(side: Sequence[Estimate]) -> float:
    return float(np.var([e.value for e in side], ddof=1))


def _squared_error(side: Sequence[Estimate]) -> float:
    return float(np.mean([e.std_err**2 for e in side]))


def _error_dof(estimate: Estimate) -> float:
    return max(estimate.n_eff - 1.0, 1.0)
