from __future__ import annotations

import pytest

from gbopt.search import Observation, evaluations_since_improvement, stop_reason


def observed(*results, std_err=0.1, first=0, bound=None):
    """Make one observation per result: a value, "failed" or "running"."""
    made = []
    for i, r in enumerate(results, start=first):
        if isinstance(r, str):
            made.append(Observation(i, {"x": i}, r, completion=None if r == "running" else i))
        else:
            made.append(Observation(i, {"x": i}, "complete", r, std_err, i, bound))
    return made


def waited(history, n_initial=2, min_improvement=0.02):
    return evaluations_since_improvement(
        history, min_improvement=min_improvement, n_initial=n_initial
    )


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
        Observation(3, {"x": 1}, "complete", 1.0, 0.01, 0),
        Observation(4, {"x": 1}, "complete", 2.0, 0.01, 1),
    )
    assert waited([first, second, third]) == 0
    assert waited([third, second, first]) == 0


def stop(history, evaluations=10, patience=3):
    return stop_reason(
        history, evaluations=evaluations, patience=patience, min_improvement=0.02, n_initial=2
    )


def test_reasons_to_stop():
    assert stop([]) is None
    assert stop(observed(1.0, 2.0, 2.0, 2.0)) is None
    assert stop(observed(1.0, 2.0, 2.0, 2.0, 2.0)) == (
        "no significant improvement in 3 evaluations"
    )
    assert stop(observed(*["failed"] * 9)) is None
    assert stop(observed(*["failed"] * 10)) == "budget of 10 evaluations reached"
    assert stop(observed(1.0, "running", "running"), evaluations=2) is None
    assert stop(observed(1.0, "failed"), evaluations=2) == "budget of 2 evaluations reached"
