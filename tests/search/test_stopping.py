from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gbopt.search import (
    Dimension,
    Observation,
    Proposal,
    SearchSettings,
    SearchSpace,
    Stop,
    decide,
    leaders,
)
from gbopt.search.propose import most_to_gain
from gbopt.search.stopping import evaluations_since_improvement

# A single point: no model, so values count as they are.
POINT = SearchSpace((Dimension("x", "real", 0, 0),))


def observed(*results, std_err=0.1, first=0, bound=None):
    """Make one observation per result: a value, "failed" or "running"."""
    made = []
    for i, r in enumerate(results, start=first):
        if isinstance(r, str):
            made.append(Observation(i, {"x": 0}, r, completion=None if r == "running" else i))
        else:
            made.append(Observation(i, {"x": 0}, "complete", r, std_err, i, bound))
    return made


def waited(history, n_initial=2, min_improvement=0.02):
    settings = SearchSettings(initial=n_initial, min_improvement=min_improvement)
    return evaluations_since_improvement(POINT, history, settings)


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([], 0),
        ([1.0], 0),
        ([1.0, 2.0], 0),  # the initial design is not counted
        ([1.0, 2.0, 2.0], 1),
        ([1.0, 2.0, 2.0, 3.0], 2),
        ([1.0, 2.0, 2.0, 0.5], 0),  # better by more than 0.14
        ([1.0, 2.0, 2.0, 0.9], 2),  # better, but not by that
        ([1.0, 2.0, 0.95, 0.9, 0.85], 0),  # small steps add up
        ([1.0, 2.0, 2.0, 0.5, 0.6, 0.6], 2),
        ([1.0, 2.0, 2.0, "failed", "failed"], 1),  # failures are not counted
        ([1.0, 2.0, 2.0, "running"], 1),
        ([2.0, 1.0, "running", 2.0], 1),
        (["failed", "failed", 2.0, 3.0], 1),  # the first value is an improvement on none
    ],
)
def test_evaluations_since_improvement(results, expected):
    assert waited(observed(*results)) == expected


def test_least_improvement_decides_where_errors_are_small():
    history = observed(1.0, 2.0, 0.9, std_err=0.0)
    assert waited(history, min_improvement=0.05) == 0
    assert waited(history, min_improvement=0.2) == 1


def test_the_errors_of_both_values_count():
    sure, unsure = observed(1.0, std_err=0.01), observed(1.0, std_err=0.3)
    assert waited(sure + observed(0.8, std_err=0.01, first=2)) == 0
    assert waited(sure + observed(0.8, std_err=0.3, first=2)) == 1
    assert waited(unsure + observed(0.8, std_err=0.01, first=2)) == 1


def test_a_lower_bound_is_no_improvement():
    history = observed(1.0, 2.0)
    assert waited(history + observed(0.0, first=2, bound="lower")) == 1
    assert waited(history + observed(0.0, first=2, bound="upper")) == 0


def test_order_of_completion_decides_not_order_of_numbers():
    first, second, third = (
        Observation(2, {"x": 0}, "complete", 0.0, 0.01, 2),
        Observation(3, {"x": 0}, "complete", 1.0, 0.01, 0),
        Observation(4, {"x": 0}, "complete", 2.0, 0.01, 1),
    )
    assert waited([first, second, third]) == 0
    assert waited([third, second, first]) == 0


def stop(history, evaluations=10, patience=3):
    settings = SearchSettings(
        evaluations=evaluations, patience=patience, min_improvement=0.02, initial=2
    )
    step = decide(POINT, history, seed=0, number=len(history), settings=settings)
    return step.reason if isinstance(step, Stop) else None


def test_reasons_to_stop():
    assert stop([]) is None
    assert stop(observed(1.0, 2.0, 2.0, 2.0)) is None
    assert stop(observed(1.0, 2.0, 2.0, 2.0, 2.0)) == (
        "no significant improvement in 3 evaluations"
    )
    assert stop(observed(*["failed"] * 9)) is None
    assert stop(observed(*["failed"] * 10)) == "budget of 10 evaluations reached"
    assert stop(observed(1.0, "running", "running"), evaluations=4) is None
    assert stop(observed(1.0, "failed"), evaluations=2) == "budget of 2 evaluations reached"


def line(n, low_at=0.3, error=0.1, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.random(n).tolist()
    return [
        Observation(i, {"x": u}, "complete", (u - low_at) ** 2 + error * rng.normal(), error, i)
        for i, u in enumerate(x)
    ]


LINE = SearchSpace((Dimension("x", "real", 0, 1),))


def test_before_stopping_the_best_are_evaluated_again():
    past = line(20)
    settings = SearchSettings(patience=1, initial=5, finalists=2, replicates=2)
    seen = []
    while True:
        step = decide(LINE, past, seed=1, number=len(past), settings=settings)
        if isinstance(step, Stop):
            break
        seen.append(step)
        value = (step.params["x"] - 0.3) ** 2
        past.append(Observation(len(past), step.params, "complete", value, 0.1, len(past)))
    assert step.reason.startswith("no significant improvement in ")
    assert seen
    assert all("evaluated again before stopping" in s.reason and s.replicate == 1 for s in seen)
    best = leaders(LINE, past, settings)[:2]
    assert all(len(b.numbers) >= 2 for b in best)


def test_the_end_of_the_budget_is_kept_for_the_best():
    past = line(18)
    settings = SearchSettings(evaluations=20, initial=5, finalists=2, replicates=2, patience=99)
    step = decide(LINE, past, seed=1, number=18, settings=settings)
    assert step.replicate == 1
    assert step.reason.endswith("the budget is nearly spent")
    alone = SearchSettings(evaluations=20, initial=5, replicates=1, patience=99)
    assert decide(LINE, past, seed=1, number=18, settings=alone).chosen_by == "knowledge-gradient"


def test_while_the_best_are_evaluated_again_others_wait():
    past = line(20)
    settings = SearchSettings(patience=1, initial=5, finalists=1, replicates=2)
    first = decide(LINE, past, seed=1, number=20, settings=settings)
    past.append(Observation(20, first.params, "running"))
    second = decide(LINE, past, seed=1, number=21, settings=settings)
    assert isinstance(second, Stop)
    assert second.awaited
    past[-1] = Observation(20, first.params, "complete", 0.0, 0.1, 20)
    assert not decide(LINE, past, seed=1, number=21, settings=settings).awaited


def test_a_replicate_that_failed_is_made_again_but_not_for_ever():
    past = line(20)
    settings = SearchSettings(patience=1, initial=5, finalists=1, replicates=2)
    for number in (20, 21):
        step = decide(LINE, past, seed=1, number=number, settings=settings)
        past.append(Observation(number, step.params, "failed", completion=number))
    assert isinstance(decide(LINE, past, seed=1, number=22, settings=settings), Stop)


def test_the_initial_design_is_not_spent_on_replicates():
    past = line(6)
    settings = SearchSettings(evaluations=10, initial=10, finalists=5, replicates=4)
    step = decide(LINE, past, seed=1, number=6, settings=settings)
    assert step.reason.startswith("initial design")


def test_a_point_outside_the_limits_is_nothing_to_improve_on():
    past = [
        Observation(i, {"x": x}, "complete", 1 - x, 0.001, i, others={"q": (x, 0.001)})
        for i, x in enumerate([0.99, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45])
    ]
    free = SearchSettings(initial=1)
    limited = SearchSettings(initial=1, limits={"q": (0.0, 0.5)})
    assert evaluations_since_improvement(LINE, past, free) == 8
    assert evaluations_since_improvement(LINE, past, limited) == 0


def test_it_stops_where_nothing_is_expected_to_be_gained():
    past = line(30, error=0.001)
    settings = SearchSettings(patience=99, initial=5, replicates=1, least_expected=0.01)
    step = decide(LINE, past, seed=1, number=30, settings=settings)
    assert isinstance(step, Stop)
    assert step.reason.startswith("no further evaluation is expected to gain 0.01: the best one ")


@pytest.mark.parametrize("acquisition", ["lcb", "noisy-ei"])
def test_what_is_expected_is_that_of_the_best_point_whatever_was_proposed(acquisition):
    past = line(12, error=0.02)
    settings = SearchSettings(
        patience=99, initial=5, replicates=1, acquisition=acquisition, least_expected=1e-9
    )
    step = decide(LINE, past, seed=1, number=30, settings=settings)
    most = most_to_gain(LINE, past, settings)
    assert most >= step.expected_gain
    between = replace(settings, least_expected=(most + step.expected_gain) / 2)
    assert isinstance(decide(LINE, past, seed=1, number=30, settings=between), Proposal)
    above = replace(settings, least_expected=1.01 * most)
    assert isinstance(decide(LINE, past, seed=1, number=30, settings=above), Stop)


def test_a_lucky_value_is_no_bar_that_nothing_passes():
    """One value far below the truth: later true improvements still count, by the model."""
    past = line(12, error=0.02)
    lucky = Observation(12, {"x": 0.9}, "complete", -1.0, 1.0, 12)
    better = [
        Observation(13 + i, {"x": 0.3 + 0.001 * i}, "complete", -0.3, 0.02, 13 + i)
        for i in range(3)
    ]
    settings = SearchSettings(initial=5)
    waited = [
        evaluations_since_improvement(LINE, past + more, settings)
        for more in ([lucky], [lucky, *better[:1]], [lucky, *better])
    ]
    assert waited[1] == 0
    assert waited[2] == 2
