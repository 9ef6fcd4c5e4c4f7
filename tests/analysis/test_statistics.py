import numpy as np
import pytest

from gbopt.analysis.statistics import (
    combine,
    interval,
    jackknife,
    over_boundaries,
    propagate,
    segment_estimate,
)
from gbopt.errors import AnalysisError
from gbopt.model.observables import Estimate


def estimate(value: float, std_err: float, n_eff: float = 5.0) -> Estimate:
    return Estimate(value=value, std_err=std_err, unit="A", n_eff=n_eff, method="")


def test_jackknife_of_a_mean_is_the_standard_error() -> None:
    x = np.random.default_rng(0).normal(size=7)
    outcome = jackknife(lambda mask: float(x[mask].mean()), 7)
    assert outcome.value == pytest.approx(x.mean())
    assert outcome.std_err == pytest.approx(x.std(ddof=1) / np.sqrt(7))
    assert outcome.bias == pytest.approx(0.0, abs=1e-12)


def test_jackknife_takes_arrays() -> None:
    x = np.random.default_rng(0).normal(size=(5, 3))
    outcome = jackknife(lambda mask: x[mask].mean(axis=0), 5)
    assert outcome.std_err == pytest.approx(x.std(axis=0, ddof=1) / np.sqrt(5))


def test_bias_of_a_reciprocal_is_removed() -> None:
    rng = np.random.default_rng(1)
    raw, corrected = [], []
    for _ in range(1000):
        x = rng.normal(1.0, 0.35, 5)
        for correct, into in ((False, raw), (True, corrected)):
            reciprocal = segment_estimate(
                lambda mask, x=x: float(1 / x[mask].mean()),
                5,
                unit="",
                method="",
                correct_bias=correct,
            )
            into.append(reciprocal.value)
    assert np.mean(raw) > 1.02
    assert np.mean(corrected) == pytest.approx(1.0, abs=0.01)


def test_per_boundary_mean() -> None:
    x = np.array([[1.0, 3.0], [2.0, 3.0], [3.0, 3.0]])
    both = over_boundaries(lambda mask: x[mask].mean(axis=0), 3, unit="A", method="")
    assert [e.value for e in both.each] == pytest.approx([2.0, 3.0])
    assert both.mean.value == pytest.approx(2.5)
    assert both.each[1].std_err == 0.0


def test_missing_data_is_an_error_with_a_hint() -> None:
    empty = np.zeros(4)
    with pytest.raises(AnalysisError, match="no data for: ratio"):
        segment_estimate(
            lambda mask: float(empty[mask].sum() / empty[mask].sum()),
            4,
            unit="",
            method="ratio",
        )


def test_propagation_and_welch_satterthwaite() -> None:
    total = propagate(0.0, [(2.0, estimate(1, 0.3)), (-1.0, estimate(1, 0.8))], unit="A", method="")
    assert total.std_err == pytest.approx(1.0)
    assert total.n_eff == pytest.approx(1 / ((0.36**2 + 0.64**2) / 4) + 1)
    assert propagate(0.0, [(1.0, estimate(1, 0.0))], unit="A", method="").std_err == 0.0


def test_combining_honours_the_spread_between_replicas() -> None:
    agreeing = combine([estimate(1.0, 0.2), estimate(1.0, 0.2)], method="")
    assert agreeing.std_err == pytest.approx(0.2 / np.sqrt(2))
    assert agreeing.n_eff == pytest.approx(9)
    apart = combine([estimate(0.0, 0.2), estimate(4.0, 0.2)], method="")
    assert apart.value == pytest.approx(2.0)
    assert apart.std_err == pytest.approx(2.0)
    assert apart.n_eff < 2.1
    with pytest.raises(AnalysisError):
        combine([], method="")


def test_combined_intervals_cover_the_truth() -> None:
    rng = np.random.default_rng(2)
    hits = []
    for _ in range(400):
        levels = rng.normal(0.0, 0.3, 3)
        replicas = [
            estimate(x.mean(), x.std(ddof=1) / np.sqrt(5))
            for x in (rng.normal(level, 0.5, 5) for level in levels)
        ]
        low, high = interval(combine(replicas, method=""), 0.95)
        hits.append(low <= 0.0 <= high)
    assert 0.88 <= np.mean(hits) <= 1.0


def test_student_interval() -> None:
    low, high = interval(estimate(1.0, 0.1), 0.95)
    assert (low, high) == pytest.approx((1 - 0.27764, 1 + 0.27764), abs=1e-4)
    with pytest.raises(AnalysisError, match="n_eff"):
        interval(estimate(1.0, 0.1, n_eff=1.0), 0.95)
