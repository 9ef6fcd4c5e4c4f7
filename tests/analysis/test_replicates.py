from __future__ import annotations

import math

import numpy as np
import pytest

from gbopt.analysis.replicates import SeedScatter, improvement, seed_scatter
from gbopt.errors import AnalysisError
from gbopt.model.observables import Estimate

ERROR = 0.05
GAIN = 0.3
RUNS = 800


def log10(value: float, std_err: float = ERROR, n_eff: float = 5, bound=None) -> Estimate:
    return Estimate(value=value, std_err=std_err, unit="log10", n_eff=n_eff, method="", bound=bound)


def replicates(
    rng: np.random.Generator, n: int, scatter: float, mean: float = 0.0
) -> list[Estimate]:
    """Values that seeds scatter, with error bars estimated from five segments."""
    values = mean + scatter * rng.normal(size=n) + ERROR * rng.normal(size=n)
    errors = ERROR * np.sqrt(rng.chisquare(4, size=n) / 4)
    return [log10(float(v), float(e)) for v, e in zip(values, errors, strict=True)]


@pytest.mark.parametrize("scatter", [0.0, 0.05, 0.15])
@pytest.mark.parametrize(("groups", "each"), [(2, 3), (6, 2), (6, 4)])
def test_the_interval_of_the_scatter_covers_it(groups, each, scatter) -> None:
    rng = np.random.default_rng(1)
    found = [
        seed_scatter([replicates(rng, each, scatter, mean=g) for g in range(groups)])
        for _ in range(RUNS)
    ]
    share = np.mean([f.interval[0] <= scatter <= f.interval[1] for f in found])
    assert 0.92 <= share <= 0.985
    assert np.mean([f.variance - f.error_variance for f in found]) == pytest.approx(
        scatter**2, abs=0.15 * (scatter**2 + ERROR**2)
    )


def test_scatter_by_hand() -> None:
    found = seed_scatter(
        [
            [log10(0.0, 0.1), log10(0.6, 0.1)],
            [log10(1.0, 0.1), log10(1.3, 0.1), log10(1.6, 0.1)],
            [log10(9.0)],
            [log10(5.0), log10(7.0, bound="lower")],
        ]
    )
    assert found.dof == 3
    assert found.error_dof == 20
    assert found.variance == pytest.approx((0.18 + 0.18) / 3)
    assert found.std_dev == pytest.approx(math.sqrt(0.12 - 0.01))
    assert found.interval[0] < found.std_dev < found.interval[1]
    within = seed_scatter([[log10(0.0), log10(0.01)]])
    assert (within.std_dev, within.interval[0]) == (0.0, 0.0)


SIDES = [(2, 2), (2, 3), (3, 3), (2, 5), (5, 5)]


@pytest.mark.parametrize("scatter", [0.05, 0.15])
@pytest.mark.parametrize(("best", "reference"), SIDES)
def test_improvement_covers_the_truth(best, reference, scatter) -> None:
    covered, found = compare(best, reference, scatter)
    assert covered[0.95] >= 0.92
    assert 0.64 <= covered[0.68] <= 0.86
    assert found <= 0.07
    if best == reference == 5:  # with fewer the floor at the quoted errors is felt
        assert covered[0.95] <= 0.985


@pytest.mark.parametrize("scatter", [0.05, 0.15])
@pytest.mark.parametrize(("best", "reference", "others"), [(1, 1, 4), (1, 3, 0), (4, 1, 3)])
def test_a_single_replicate_takes_the_pooled_scatter(best, reference, others, scatter) -> None:
    covered, found = compare(best, reference, scatter, others)
    assert 0.92 <= covered[0.95] <= 0.995
    assert found <= 0.07


def compare(
    best: int, reference: int, scatter: float, others: int = 0
) -> tuple[dict[float, float], float]:
    """Coverage of the true gain by level, and how often no gain at all is called one at 5 %."""
    rng = np.random.default_rng(2)
    log_factor, hits, false = math.log10(10**GAIN), {0.68: 0, 0.95: 0}, 0
    for _ in range(RUNS):
        ours, theirs = replicates(rng, best, scatter), replicates(rng, reference, scatter)
        groups = [ours, theirs, *(replicates(rng, 2, scatter, mean=1.0) for _ in range(others))]
        pooled: SeedScatter | None = seed_scatter(groups) if others else None
        false += improvement(ours, theirs, pooled).p < 0.05
        better = [e.model_copy(update={"value": e.value - GAIN}) for e in ours]
        outcome = improvement(better, theirs, pooled)
        for level in hits:
            low, high = outcome.interval(level)
            hits[level] += math.log10(low) <= log_factor <= math.log10(high)
    return {level: n / RUNS for level, n in hits.items()}, false / RUNS


def test_improvement_by_hand() -> None:
    """Welch: variances 0.02/2 and 0.01/3 with 1 and 2 degrees of freedom."""
    best = [log10(0.0, 0.01), log10(0.2, 0.01)]
    reference = [log10(1.0, 0.01), log10(1.1, 0.01), log10(1.2, 0.01)]
    found = improvement(best, reference)
    assert found.factor == pytest.approx(10.0)
    variance = 0.02 / 2 + 0.01 / 3
    assert found.log10_factor.std_err == pytest.approx(math.sqrt(variance))
    dof = variance**2 / (0.01**2 / 1 + (0.01 / 3) ** 2 / 2)
    assert found.log10_factor.n_eff - 1 == pytest.approx(dof)
    assert found.p < 0.05
    low, high = found.interval(0.68)
    assert low * high == pytest.approx(100.0)
    assert found.interval(0.95)[0] < low < 10 < high


def test_lucky_agreement_does_not_undercut_the_error_bars() -> None:
    best, reference = [log10(0.0), log10(0.0)], [log10(0.2), log10(0.2)]
    found = improvement(best, reference)
    assert found.log10_factor.std_err == pytest.approx(ERROR)


def test_sentences() -> None:
    clear = improvement([log10(v) for v in (0.0, 0.05, 0.1)], [log10(v) for v in (0.5, 0.6, 0.65)])
    assert clear.is_shown
    assert clear.sentence.startswith(
        "The reference has 3.41 times the resistance of the best (95 %"
    )
    assert clear.sentence.endswith(": better beyond seed noise.")
    vague = improvement([log10(0.0), log10(0.3)], [log10(0.2), log10(0.4)])
    assert not vague.is_shown
    assert vague.sentence.endswith("not shown to be better.")
    bounded = improvement([log10(0.0), log10(0.1)], [log10(0.5, bound="lower"), log10(0.5)])
    assert "has at least 2.82 times" in bounded.sentence


@pytest.mark.parametrize(
    ("best", "reference", "words"),
    [
        ([], [log10(0.0)], "needs a value"),
        ([log10(0.0)], [log10(1.0)], "two replicates"),
        ([log10(0.0, bound="lower")] * 2, [log10(1.0)] * 2, "which is a bound"),
        ([log10(0.0)] * 2, [log10(1.0, bound="upper")] * 2, "which is a bound"),
        ([log10(0.0, 0.0)] * 2, [log10(1.0, 0.0)] * 2, "nothing can be said"),
    ],
)
def test_refusals(best, reference, words) -> None:
    with pytest.raises(AnalysisError, match=words) as refused:
        improvement(best, reference)
    assert refused.value.hint
