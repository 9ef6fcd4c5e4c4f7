from __future__ import annotations

import json

import numpy as np
import pytest

from gbopt.errors import AnalysisError
from gbopt.search import Dimension, Observation, SearchSettings, SearchSpace
from gbopt.search.belief import believe
from gbopt.search.calibration import calibration
from gbopt.search.insight import compromises, course, interactions, what_next

from .landscape import CATALOGUE, CONTINUOUS, SPACE, history

SQUARE = SearchSpace(tuple(Dimension(n, "real", 0, 1) for n in "xyz"))


def cube(n, law, error=0.02, seed=0):
    rng = np.random.default_rng(seed)
    told = []
    for i in range(n):
        p = dict(zip("xyz", rng.random(3).tolist(), strict=True))
        told.append(Observation(i, p, "complete", law(p) + error * rng.normal(), error, i))
    return told


def test_an_honest_model_is_called_honest():
    found = calibration(SPACE, history(60))
    assert found.values == 60
    assert found.rms_z == pytest.approx(1, abs=0.35)
    assert found.within_95 > 0.85
    assert found.skill > 0.5


def test_error_bars_that_are_too_small_are_noticed_and_noise_has_no_skill():
    small = [
        Observation(o.number, o.params, "complete", o.value, o.std_err / 30, o.completion)
        for o in history(60, noise=0.4)
    ]
    rng = np.random.default_rng(0)
    noise = [
        Observation(o.number, o.params, "complete", float(rng.normal()), 1.0, o.completion)
        for o in history(40)
    ]
    assert calibration(SPACE, small).rms_z > 1.05
    assert calibration(SPACE, noise).skill < 0.2
    with pytest.raises(AnalysisError, match="5 different points"):
        calibration(SPACE, history(5))


def test_interactions_are_told_from_sums():
    product = interactions(SQUARE, cube(60, lambda p: 4 * (p["x"] - 0.5) * (p["y"] - 0.5)))
    assert {product[0].one, product[0].other} == {"x", "y"}
    assert product[0].share > 0.7
    sums = interactions(SQUARE, cube(60, lambda p: p["x"] ** 2 + np.sin(3 * p["y"])))
    assert next(i for i in sums if {i.one, i.other} == {"x", "y"}).share < 0.1


def test_the_course_never_gets_worse_and_marks_improvements():
    past = history(20)
    past.append(Observation(20, CATALOGUE[3], "failed", completion=20))
    past.append(Observation(21, CATALOGUE[4], "running"))
    steps = course(past, SearchSettings(), believe(SPACE, past, SearchSettings()))
    assert [s.number for s in steps] == list(range(21))
    best = [s.best for s in steps]
    assert best == sorted(best, reverse=True)
    assert steps[0].improved
    assert (steps[20].value, steps[20].state) == (None, "failed")
    json.dumps([s._asdict() for s in steps])
    assert [s.best for s in course(past[:1])] == [past[0].value]


@pytest.mark.parametrize("space", [SPACE, CONTINUOUS])
def test_what_next_is_ranked_different_and_plain(space):
    found = what_next(space, history(15), seed=1, count=4)
    assert len({space.key(n.params) for n in found}) == 4
    gains = [n.expected_gain for n in found]
    assert gains == sorted(gains, reverse=True)
    json.dumps([n._asdict() for n in found])
    with pytest.raises(AnalysisError, match="too few"):
        what_next(space, history(1))


def test_compromises_are_beaten_by_none():
    rng = np.random.default_rng(4)
    told = []
    for i in range(40):
        p = dict(zip("xyz", rng.random(3).tolist(), strict=True))
        others = {"li": (p["x"] + 0.001 * rng.normal(), 0.001)}
        told.append(Observation(i, p, "complete", p["x"] ** 2 + p["y"], 0.001, i, others=others))
    belief = believe(SQUARE, told, SearchSettings())
    found = compromises(SQUARE, told, {"li": 1}, belief)
    values = [(c.values["objective"][0], -c.values["li"][0]) for c in found]
    for a in values:
        assert not any(b[0] <= a[0] and b[1] <= a[1] and b != a for b in values)
    assert values == sorted(values)
    assert compromises(SQUARE, told, {"never": 1}, belief) == []
