"""Regression of log10 values with known errors: what goes with what, and how surely.

Measured values scatter by more than their error bars: other seeds freeze other structures, and no
straight line holds all of geometry. The model is y = a + X b + u + v + e, with e of the known
errors, and u of a group of replicates and v of a value alone, whose variances are estimated by
restricted maximum likelihood (Viechtbauer, J. Educ. Behav. Stat. 30 (2005) 261; with groups:
Konstantopoulos, Res. Synth. Methods 2 (2011) 61). Standard errors are widened by the residuals,
never narrowed, and intervals are Student's t (Knapp and Hartung, Stat. Med. 22 (2003) 2693, so
modified: Roever et al., BMC Med. Res. Methodol. 15 (2015) 99); normal ones cover too rarely with
a few dozen values. All of it is association: no column was set at random.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.stats import norm, rankdata
from scipy.stats import t as student_t

from gbopt.errors import AnalysisError

Array = NDArray[np.float64]

LEAST_RANKED = 5
"""Pairs beyond the held columns without which a rank correlation says nothing."""
# Share of a column's spread that the columns before it must leave for it to be told apart.
_DEPENDENT = 1e-6


class Slope(NamedTuple):
    """A coefficient with its standard error and the ends of its 95 % confidence interval."""

    value: float
    std_err: float
    low: float
    high: float


@dataclass(frozen=True)
class Coefficient:
    """What one column goes with, the other columns held.

    Args:
        name: the column.
        raw: decades per unit of the column.
        standardised: decades per standard deviation of the column, to compare columns by.
        t: value over standard error.
        p: two-sided p-value of Student's t.
        p_holm: the same, adjusted for the number of columns (``holm``).
        vif: variance inflation factor: by what the other columns' likeness to this one raises
            the variance; 1 where they are unlike, above 10 the columns are hardly told apart.
    """

    name: str
    raw: Slope
    standardised: Slope
    t: float
    p: float
    p_holm: float
    vif: float


@dataclass(frozen=True)
class Regression:
    """A fitted regression.

    Args:
        coefficients: one for each column that can be told from those before it.
        intercept: value at 0 of all columns, decades.
        scatter: standard deviation of what neither columns nor error bars explain, decades.
        r2_adjusted: share of the weighted variance that the columns explain (Buse, Am. Stat. 27
            (1973) 106), adjusted for their number; below 0 where chance explains as much.
        points: number of values.
        dof: degrees of freedom of Student's t.
        dropped: why a column has no coefficient, a sentence each.
    """

    coefficients: tuple[Coefficient, ...]
    intercept: float
    scatter: float
    r2_adjusted: float
    points: int
    dof: int
    dropped: tuple[str, ...]


class RankCorrelation(NamedTuple):
    """Spearman's rho, plain or partial, its 95 % interval and two-sided p-value."""

    rho: float
    low: float
    high: float
    p: float
    points: int


def design(columns: Mapping[str, Sequence[float | str]]) -> tuple[Array, tuple[str, ...]]:
    """Make a matrix of named columns, (n, k), and the names of its columns.

    Text becomes one-hot: a column ``name=choice`` for each choice but the first in sorted order,
    the baseline.
    """
    numeric: dict[str, Array] = {}
    for name, values in columns.items():
        if isinstance(values[0], str):
            for choice in sorted({str(v) for v in values})[1:]:
                numeric[f"{name}={choice}"] = np.array([float(v == choice) for v in values])
        else:
            numeric[name] = np.asarray(values, dtype=float)
    rows = len(next(iter(columns.values())))
    return np.array(list(numeric.values())).reshape(-1, rows).T, tuple(numeric)


def linear_regression(
    X: ArrayLike,
    y: ArrayLike,
    y_err: ArrayLike,
    names: Sequence[str],
    groups: Sequence[str] | None = None,
) -> Regression:
    """Regress values with known errors on columns, by weighted least squares with random effects.

    Args:
        X: (n, k) columns; constant ones, and those that others before them add up to, are
            dropped. Errors of X are not seen; they draw coefficients towards 0.
        y: (n,) values, such as log10 of a resistivity.
        y_err: (n,) their standard errors, above 0.
        names: of the k columns.
        groups: (n,) what each value was measured on, by default each on its own; replicates
            share what the line misses there, so groups, not values, count as independent.

    Raises:
        AnalysisError: a number that is not finite, an error not above 0, no column that varies,
            or too few groups for the columns.
    """
    X, y, y_err = (np.asarray(a, dtype=float) for a in (X, y, y_err))
    usable = np.isfinite(X).all(axis=1) & np.isfinite(y) & np.isfinite(y_err) & (y_err > 0)
    if not usable.all():
        raise AnalysisError(
            f"row {int(usable.argmin())} of a regression lacks a finite value or an error above 0",
            hint="leave out such rows: without an error a value cannot be weighted",
        )
    kept, dropped = _independent(X, names)
    members = np.unique(groups, return_inverse=True)[1] if groups else np.arange(len(y))
    distinct = len(set(members.tolist()))
    dof = distinct - len(kept) - 1
    if not kept or dof < 2:
        raise AnalysisError(
            f"a regression on {len(kept)} columns that vary needs {max(len(kept), 1) + 3} "
            f"different points or more, not {distinct}",
            hint="evaluate more boundaries, or regress on fewer columns",
        )
    fit = _fitted(X[:, kept], y, y_err, [names[i] for i in kept], members, dof)
    return replace(fit, dropped=dropped)


def _independent(X: Array, names: Sequence[str]) -> tuple[list[int], tuple[str, ...]]:
    """Indices of the columns that vary and that those before them do not add up to."""
    kept: list[int] = []
    dropped = []
    centred = X - X.mean(axis=0)
    for i, name in enumerate(names):
        column, size = centred[:, i], np.linalg.norm(centred[:, i])
        rest = column - centred[:, kept] @ np.linalg.lstsq(centred[:, kept], column)[0]
        if size <= 1e-12 * np.linalg.norm(X[:, i]):
            dropped.append(f"{name} is the same everywhere.")
        elif np.linalg.norm(rest) < _DEPENDENT * size:
            dropped.append(f"{name} follows from {', '.join(names[j] for j in kept)}.")
        else:
            kept.append(i)
    return kept, tuple(dropped)


def _fitted(
    X: Array, y: Array, y_err: Array, names: Sequence[str], members: NDArray[np.intp], dof: int
) -> Regression:
    """The regression on columns that can be told apart; ``members``, (n,), numbers the groups."""
    spread, centre = X.std(axis=0, ddof=1), X.mean(axis=0)
    Z = np.column_stack([np.ones(len(y)), (X - centre) / spread])
    own, same = np.eye(len(y)), (members[:, None] == members).astype(float)
    # Without replicates the scatter of groups cannot be told from that of single values.
    scatters = np.stack([own] if np.array_equal(own, same) else [own, same])
    variances = _restricted_likelihood(Z, y, y_err, scatters)
    V = np.diag(y_err**2) + np.tensordot(variances, scatters, 1)
    solution, covariance, chi2 = _least_squares(Z, y, V)
    left, before = chi2 / (len(y) - Z.shape[1]), _least_squares(Z[:, :1], y, V)[2] / (len(y) - 1)
    errors = np.sqrt(max(1.0, left) * np.diag(covariance))
    return Regression(
        _coefficients(names, solution[1:], errors[1:], spread, Z, dof),
        intercept=float(solution[0] - (solution[1:] / spread) @ centre),
        scatter=math.sqrt(variances.sum()),
        r2_adjusted=1.0 - left / before if np.ptp(y) > 0 else 0.0,
        points=len(y),
        dof=dof,
        dropped=(),
    )


def _restricted_likelihood(Z: Array, y: Array, y_err: Array, scatters: Array) -> Array:
    """(components,) variances at which the restricted likelihood is greatest, none below 0."""
    unit = float(y.var()) or 1.0

    def cost(theta: Array) -> tuple[float, Array]:
        factor = cho_factor(np.diag(y_err**2) + np.tensordot(unit * theta, scatters, 1))
        VZ = cho_solve(factor, Z)
        inner = np.linalg.inv(Z.T @ VZ)
        P = cho_solve(factor, np.eye(len(y))) - VZ @ inner @ VZ.T
        Py = P @ y
        logs = 2 * np.log(np.diag(factor[0])).sum() - np.linalg.slogdet(inner)[1]
        slopes = [0.5 * unit * (np.sum(P * S) - Py @ S @ Py) for S in scatters]
        return 0.5 * float(logs + y @ Py), np.array(slopes)

    start, bounds = np.full(len(scatters), 0.5 / len(scatters)), [(0.0, 10.0)]
    found: Any = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds * len(start))
    return np.asarray(unit * found.x, dtype=float)


def _least_squares(Z: Array, y: Array, V: Array) -> tuple[Array, Array, float]:
    """Generalised least squares: solution, its covariance from V alone, and chi2."""
    factor = cho_factor(V)
    covariance = np.linalg.inv(Z.T @ cho_solve(factor, Z))
    solution = covariance @ Z.T @ cho_solve(factor, y)
    residual = y - Z @ solution
    return solution, covariance, float(residual @ cho_solve(factor, residual))


def _coefficients(
    names: Sequence[str], slopes: Array, errors: Array, spread: Array, Z: Array, dof: int
) -> tuple[Coefficient, ...]:
    """Coefficients from slopes by standardised columns."""
    t = slopes / errors
    p = 2 * student_t.sf(np.abs(t), dof)
    half = student_t.ppf(0.975, dof) * errors
    scaled = np.column_stack([slopes, errors, slopes - half, slopes + half])
    vif = (len(Z) - 1) * np.diag(np.linalg.inv(Z[:, 1:].T @ Z[:, 1:]))
    tests = np.column_stack([t, p, holm(p), vif]).tolist()
    return tuple(
        Coefficient(name, Slope(*(row / unit).tolist()), Slope(*row.tolist()), *test)
        for name, row, unit, test in zip(names, scaled, spread, tests, strict=True)
    )


def holm(p: ArrayLike) -> Array:
    """Adjust p-values, (m,), for being several (Holm, Scand. J. Stat. 6 (1979) 65).

    Calling significant what is adjusted below 5 % errs anywhere among them in 5 % at most.
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(stepped, 1.0)[np.argsort(order)]


def rank_correlation(x: ArrayLike, y: ArrayLike, held: ArrayLike | None = None) -> RankCorrelation:
    """Spearman's rho of two columns, partial where other columns are held.

    The p-value is Student's t; the interval is Fisher's with the variance of Bonett and Wright
    (Psychometrika 65 (2000) 23), which holds for 10 to 60 pairs where Fisher's own is too narrow.
    Partial: ranks less what a line through the held columns' ranks says of them, with one degree
    of freedom less for each. Ranks in perfect order are no better known than with one
    neighbouring pair swapped.

    Args:
        x: (n,) values.
        y: (n,) values.
        held: (n, g) columns to hold.

    Raises:
        AnalysisError: too few pairs, or a column that is constant or follows from those held.
    """
    ranks = np.column_stack([rankdata(x), rankdata(y)])
    n = len(ranks)
    others = np.empty((n, 0)) if held is None else rankdata(np.asarray(held, dtype=float), axis=0)
    free = n - others.shape[1]
    if free < LEAST_RANKED:
        raise AnalysisError(
            f"a rank correlation with {n - free} columns held needs {LEAST_RANKED + n - free} "
            f"pairs or more, not {n}",
            hint="evaluate more boundaries",
        )
    ranks, others = ranks - ranks.mean(axis=0), others - others.mean(axis=0)
    rest = ranks - others @ np.linalg.lstsq(others, ranks)[0]
    sizes = np.linalg.norm(rest, axis=0)
    if (sizes <= _DEPENDENT * n).any():
        raise AnalysisError(
            "a rank correlation needs columns that vary while the others are held",
            hint="leave out the constant column, or the columns it follows from",
        )
    rho = float(np.clip(rest[:, 0] @ rest[:, 1] / sizes.prod(), -1.0, 1.0))
    most = 1.0 - 12.0 / (n**3 - n)
    near = min(max(rho, -most), most)
    t = near * math.sqrt((free - 2) / (1 - near**2))
    half = float(norm.ppf(0.975)) * math.sqrt((1 + near**2 / 2) / (free - 3))
    low, high = math.tanh(math.atanh(near) - half), math.tanh(math.atanh(near) + half)
    p = float(2 * student_t.sf(abs(t), free - 2))
    return RankCorrelation(rho, min(low, rho), max(high, rho), p, n)
