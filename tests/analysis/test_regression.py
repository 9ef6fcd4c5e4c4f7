from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import kstest, spearmanr

from gbopt.analysis.regression import (
    Regression,
    design,
    holm,
    linear_regression,
    rank_correlation,
)
from gbopt.errors import AnalysisError

TRUTH = (0.5, -0.3, 0.0)
INTERCEPT = 2.0
NAMES = ("a", "b", "null")


class Law(NamedTuple):
    """What values are drawn from: error bars, scatter of single values and of groups, decades."""

    n: int
    error: float = 0.1
    scatter: float = 0.15
    replicas: int = 1
    group_scatter: float = 0.0
    error_segments: int = 0
    """How many segments the error bars are estimated from; 0: they are exact."""


def drawn(rng: np.random.Generator, law: Law) -> Regression:
    X = rng.normal(size=(law.n, 3))
    members = np.repeat(np.arange(law.n), law.replicas)
    X = X[members] * (1.0, 10.0, 1.0)
    if law.replicas > 1:  # the last column differs between replicates, as composition does
        X[:, 2] += rng.normal(size=len(X))
    error = law.error * np.exp(0.4 * rng.normal(size=len(X)))
    y = INTERCEPT + X @ (np.array(TRUTH) / (1.0, 10.0, 1.0)) + error * rng.normal(size=len(X))
    y += law.scatter * rng.normal(size=len(X))
    y += law.group_scatter * rng.normal(size=law.n)[members]
    if law.error_segments:
        dof = law.error_segments - 1
        error = error * np.sqrt(rng.chisquare(dof, size=len(X)) / dof)
    return linear_regression(X, y, error, NAMES, [str(m) for m in members])


def covered(fits: list[Regression]) -> np.ndarray:
    """Share of fits whose 95 % interval holds the truth, by column."""
    truth = np.array(TRUTH) / (1.0, 10.0, 1.0)
    return np.mean(
        [
            [c.raw.low <= b <= c.raw.high for c, b in zip(f.coefficients, truth, strict=True)]
            for f in fits
        ],
        axis=0,
    )


@pytest.mark.parametrize(
    "law",
    [
        Law(12),
        Law(40),
        Law(20, scatter=0.0),
        Law(15, error_segments=5),
        Law(12, error=0.03, scatter=0.1, replicas=3, group_scatter=0.2),
    ],
)
def test_intervals_cover_the_truth_as_often_as_they_claim(law) -> None:
    rng = np.random.default_rng(1)
    fits = [drawn(rng, law) for _ in range(250)]
    assert covered(fits).min() > 0.91
    assert covered(fits).mean() < 0.995
    mean = np.mean([[c.raw.value for c in f.coefficients] for f in fits], axis=0)
    spread = np.std([[c.raw.value for c in f.coefficients] for f in fits], axis=0)
    truth = np.array(TRUTH) / (1.0, 10.0, 1.0)
    assert np.all(np.abs(mean - truth) < 4 * spread / np.sqrt(len(fits)))


def test_replicates_taken_for_independent_would_deceive() -> None:
    """Why the groups are asked for: a column that is one for all replicates of a geometry."""
    rng = np.random.default_rng(2)
    hits = []
    for _ in range(150):
        members = np.repeat(np.arange(10), 4)
        x = rng.normal(size=10)[members]
        y = 0.2 * rng.normal(size=10)[members] + 0.03 * rng.normal(size=40)
        error = np.full(40, 0.03)
        hits.append(
            [
                linear_regression(x[:, None], y, error, ["x"], groups).coefficients[0].p < 0.05
                for groups in (None, [str(m) for m in members])
            ]
        )
    alone, grouped = np.mean(hits, axis=0)
    assert alone > 0.2
    assert grouped < 0.09


def test_p_values_of_a_null_column_are_uniform() -> None:
    rng = np.random.default_rng(3)
    p = [drawn(rng, Law(20)).coefficients[2].p for _ in range(300)]
    assert kstest(p, "uniform").pvalue > 0.01


def test_a_published_meta_regression() -> None:
    """BCG vaccine against latitude: Viechtbauer, J. Stat. Softw. 36 (2010) no. 3, by REML.

    Without the scaling of the errors: tau^2 0.0764, intercept 0.2515, slope -0.0291(72).
    """
    effect = (-0.8893, -1.5854, -1.3481, -1.4416, -0.2175, -0.7861, -1.6209)
    effect += (0.0120, -0.4694, -1.3713, -0.3394, 0.4459, -0.0173)
    variance = (0.3256, 0.1946, 0.4154, 0.0200, 0.0512, 0.0069, 0.2230)
    variance += (0.0040, 0.0564, 0.0730, 0.0124, 0.5325, 0.0714)
    latitude = np.array([44, 55, 42, 52, 13, 44, 19, 13, 27, 42, 18, 33, 33.0])
    fit = linear_regression(latitude[:, None], effect, np.sqrt(variance), ["latitude"])
    assert fit.scatter**2 == pytest.approx(0.0764, abs=1e-4)
    assert fit.intercept == pytest.approx(0.2515, abs=2e-4)
    (slope,) = fit.coefficients
    assert slope.raw.value == pytest.approx(-0.0291, abs=1e-4)
    assert slope.raw.std_err >= 0.0072
    assert fit.dof == 11


def test_equal_errors_give_least_squares() -> None:
    rng = np.random.default_rng(4)
    X = rng.normal(size=(30, 2))
    y = 1 + X @ (0.4, 0.1) + 0.3 * rng.normal(size=30)
    fit = linear_regression(X, y, np.full(30, 0.01), ["a", "b"])
    Z = np.column_stack([np.ones(30), X])
    solution, (rss,) = np.linalg.lstsq(Z, y)[:2]
    errors = np.sqrt(rss / 27 * np.diag(np.linalg.inv(Z.T @ Z)))
    assert [fit.intercept, *(c.raw.value for c in fit.coefficients)] == pytest.approx(solution)
    assert [c.raw.std_err for c in fit.coefficients] == pytest.approx(errors[1:], rel=1e-3)
    adjusted = 1 - (rss / 27) / y.var(ddof=1)
    assert fit.r2_adjusted == pytest.approx(adjusted, rel=1e-3)
    a = fit.coefficients[0]
    assert a.standardised.value == pytest.approx(a.raw.value * X[:, 0].std(ddof=1))
    assert a.vif == pytest.approx(1 / (1 - np.corrcoef(X.T)[0, 1] ** 2))


def test_an_exact_line_keeps_the_error_of_its_points() -> None:
    x = np.arange(6.0)
    fit = linear_regression(x[:, None], 2 * x, np.full(6, 0.1), ["x"])
    assert fit.coefficients[0].raw.value == pytest.approx(2)
    assert fit.coefficients[0].raw.std_err == pytest.approx(0.1 / np.sqrt(17.5))
    flat = linear_regression(x[:, None], np.ones(6), np.full(6, 0.1), ["x"])
    assert flat.coefficients[0].p == pytest.approx(1.0)
    assert flat.r2_adjusted == 0.0


def test_text_becomes_one_hot_against_a_baseline() -> None:
    X, names = design({"x": [1, 2, 3], "plane": ["110", "100", "111"], "fixed": ["c"] * 3})
    assert names == ("x", "plane=110", "plane=111")
    assert X.tolist() == [[1, 1, 0], [2, 0, 0], [3, 0, 1]]
    assert design({"fixed": ["c"] * 3})[0].shape == (3, 0)


def test_columns_that_say_nothing_new_are_dropped() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, 20))
    X = np.column_stack([a, np.full(20, 7.0), b, a - 2 * b + 3, a + 1e-2 * rng.normal(size=20)])
    fit = linear_regression(X, a, np.full(20, 0.1), ["a", "same", "b", "sum", "near"])
    assert [c.name for c in fit.coefficients] == ["a", "b", "near"]
    assert fit.dropped == ("same is the same everywhere.", "sum follows from a, b.")
    assert min(c.vif for c in fit.coefficients if c.name != "b") > 1000


@pytest.mark.parametrize(
    ("X", "y_err", "words"),
    [
        (np.eye(5)[:, :3], np.full(5, 0.1), "on 3 columns that vary needs 6 .* not 5"),
        (np.ones((9, 2)), np.full(9, 0.1), "on 0 columns that vary"),
        (np.eye(9)[:, :1], np.append(np.full(8, 0.1), 0.0), "row 8"),
        (np.full((9, 1), np.nan), np.full(9, 0.1), "row 0"),
    ],
)
def test_refusals(X, y_err, words) -> None:
    with pytest.raises(AnalysisError, match=words) as refused:
        linear_regression(X, np.arange(len(X)), y_err, ["x", "y", "z"][: X.shape[1]])
    assert refused.value.hint


def test_replicates_do_not_make_up_for_boundaries() -> None:
    X, groups = np.repeat(np.eye(4)[:, :2], 5, axis=0), [str(i // 5) for i in range(20)]
    with pytest.raises(AnalysisError, match="not 4"):
        linear_regression(X, np.arange(20), np.ones(20), ["a", "b"], groups)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]).shape == (0,)


def test_a_published_rank_correlation() -> None:
    """The example of ci.spear in Bonett's R package statpsych."""
    y = [21, 4, 9, 12, 35, 18, 10, 22, 24, 1, 6, 8, 13, 16, 19]
    x = [67, 28, 30, 28, 52, 40, 25, 37, 44, 10, 14, 20, 28, 40, 51]
    found = rank_correlation(x, y)
    assert (found.rho, found.low, found.high) == pytest.approx((0.8699639, 0.5840951, 0.9638297))
    assert found.p == pytest.approx(spearmanr(x, y).pvalue)


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize(("n", "correlation"), [(10, 0.0), (12, 0.7), (40, 0.5)])
def test_rank_intervals_cover_the_truth(n, correlation, held) -> None:
    """Of normal pairs rho is 6/pi asin(r/2); held columns that shift both change nothing."""
    rng = np.random.default_rng(6)
    truth = 6 / np.pi * np.arcsin(correlation / 2)
    found = []
    for _ in range(400):
        pairs = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], size=n)
        others = rng.normal(size=(n, 1)) if held else None
        shift = 0.4 * others if held else 0.0
        found.append(rank_correlation(*(pairs + shift).T, others))
    assert 0.92 <= np.mean([f.low <= truth <= f.high for f in found]) <= 0.985
    if correlation == 0:
        assert 0.02 <= np.mean([f.p < 0.05 for f in found]) <= 0.085


def test_what_two_columns_share_is_taken_out() -> None:
    rng = np.random.default_rng(7)
    cause = rng.normal(size=60)
    x, y = cause + 0.3 * rng.normal(size=60), cause + 0.3 * rng.normal(size=60)
    assert rank_correlation(x, y).low > 0.8
    held = rank_correlation(x, y, cause[:, None])
    assert held.low < 0 < held.high


def test_perfect_order_is_not_certainty() -> None:
    found = rank_correlation(range(6), range(6))
    assert (found.rho, found.high) == (1.0, 1.0)
    assert found.low < 0.7
    assert found.p > 2 / 720  # of all orders only two are perfect
    assert rank_correlation(range(6), range(6, 0, -1)).rho == -1.0


@pytest.mark.parametrize(
    ("x", "held", "words"),
    [
        (range(4), None, "needs 5 pairs or more, not 4"),
        (range(8), np.zeros((8, 4)), "needs 9 pairs"),
        ([1] * 8, None, "columns that vary"),
        (range(8), 3 * np.arange(8.0)[:, None], "columns that vary"),
    ],
)
def test_rank_refusals(x, held, words) -> None:
    y = np.random.default_rng(8).normal(size=len(x))
    with pytest.raises(AnalysisError, match=words) as refused:
        rank_correlation(x, y, held)
    assert refused.value.hint
