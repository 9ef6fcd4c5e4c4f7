from __future__ import annotations

import pytest

from gbopt.search import Observation, SearchSpace, recommend

from .landscape import CATALOGUE, DIMENSIONS, SPACE, history, objective

A, B, C = CATALOGUE[10], CATALOGUE[80], CATALOGUE[150]


def test_nothing_to_recommend():
    assert recommend(SPACE, []) is None
    assert recommend(SPACE, [Observation(0, A, "failed"), Observation(1, B, "running")]) is None


def test_the_lucky_outlier_is_not_recommended():
    past = history(25, noise=0.05)
    true_best = min(past, key=lambda o: objective(o.params))
    far = next(c for c in CATALOGUE if objective(c) > 0.5)
    lucky = Observation(25, far, "complete", true_best.value - 1.0, 2.0, 25)
    best = recommend(SPACE, [*past, lucky])
    assert best.from_model
    assert objective(best.params) - objective(true_best.params) < 0.1
    assert best.mean == pytest.approx(objective(best.params), abs=4 * best.std_dev + 0.05)
    assert recommend(SPACE, [*past, lucky][::-1]) == best
    assert recommend(SPACE, [*past, lucky, Observation(26, C, "running")]) == best


@pytest.mark.parametrize(("std_err", "believed"), [(0.05, True), (2.0, False)])
def test_the_error_bar_decides_whether_a_narrow_minimum_is_believed(std_err, believed):
    past = history(25, noise=0.05)
    far = next(c for c in CATALOGUE if objective(c) > 0.5)
    low = min(o.value for o in past) - 0.3
    past += [Observation(i, far, "complete", low, std_err, i) for i in (25, 26, 27, 28)]
    assert (recommend(SPACE, past).params == far) == believed


def test_early_the_error_is_a_penalty_and_replicates_are_pooled():
    past = [
        Observation(0, A, "complete", 1.0, 0.1, 0),
        Observation(1, B, "complete", 0.8, 0.5, 1),
    ]
    assert recommend(SPACE, past).params == A
    past += [Observation(i, B, "complete", 0.8, 0.1, i) for i in (2, 3)]
    best = recommend(SPACE, past)
    assert best.params == B
    assert best.numbers == (1, 2, 3)
    assert best.mean == pytest.approx(0.8)
    assert best.std_dev == pytest.approx((2 / 0.1**2 + 1 / 0.5**2) ** -0.5)
    assert not best.from_model


def test_replicates_with_an_unknown_error_are_averaged():
    past = [Observation(i, A, "complete", v, None, i) for i, v in enumerate((1.0, 2.0))]
    assert recommend(SPACE, past).mean == 1.5


def test_a_lower_bound_is_not_recommended_and_an_upper_bound_may_be():
    past = [Observation(0, A, "complete", 1.0, 0.1, 0)]
    low = Observation(1, B, "complete", -1.0, 0.1, 1, "lower")
    high = Observation(1, B, "complete", -1.0, 0.1, 1, "upper")
    assert recommend(SPACE, [*past, low]).params == A
    assert recommend(SPACE, [*past, high]).params == B
    assert recommend(SPACE, [low]) is None
    many = history(20)
    assert recommend(SPACE, [*many, low]).params != B


def test_replicates_count_in_the_model():
    space = SearchSpace(DIMENSIONS)
    past = [Observation(i, CATALOGUE[31 * i], "complete", 1.0 + i, 0.1, i) for i in range(6)]
    past += [Observation(6 + i, CATALOGUE[31], "complete", -1.0, 0.1, 6 + i) for i in range(4)]
    best = recommend(space, past)
    assert best.params == CATALOGUE[31]
    assert best.numbers == (1, 6, 7, 8, 9)
