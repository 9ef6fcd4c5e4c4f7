from __future__ import annotations

import subprocess
import sys

import numpy as np

from gbopt.errors import GeometryError
from gbopt.search import Dimension, SearchSettings, SearchSpace, minimise

SQUARE = SearchSpace((Dimension("x", "real", -2, 2), Dimension("y", "real", -2, 2)))


def test_finds_the_minimum_of_a_noisy_quadratic_and_stops():
    rng = np.random.default_rng(0)

    def quadratic(p):
        return (p["x"] - 0.5) ** 2 + (p["y"] + 1) ** 2 + 0.05 * rng.normal(), 0.05

    settings = SearchSettings(evaluations=40, initial=8, patience=12)
    result = minimise(quadratic, SQUARE, settings=settings, seed=3)
    assert abs(result.best.params["x"] - 0.5) < 0.4
    assert abs(result.best.params["y"] + 1) < 0.4
    assert result.stopped.startswith("no significant improvement in ")
    assert len(result.history) < 40


def test_the_same_seed_gives_the_same_search():
    def run():
        return minimise(
            lambda p: (p["x"] * p["y"], 0.0),
            SQUARE,
            settings=SearchSettings(evaluations=9, initial=5, patience=9),
            seed=3,
        )

    assert run() == run()


def test_failures_are_recorded_and_cost_budget():
    def fails(p):
        if p["x"] > 0:
            raise GeometryError("too close", hint="move apart")
        return (float("nan") if p["y"] > 0 else p["x"] ** 2), 0.1

    settings = SearchSettings(evaluations=14, initial=8)
    result = minimise(fails, SQUARE, settings=settings, seed=3)
    states = [o.state for o in result.history]
    assert len(states) == 14
    assert "failed" in states
    assert "complete" in states
    assert result.best.params["x"] <= 0
    assert result.stopped == "budget of 14 evaluations reached"


def test_when_everything_fails_there_is_nothing_to_recommend():
    settings = SearchSettings(evaluations=4, initial=2, patience=2)
    result = minimise(lambda p: (float("inf"), 0.1), SQUARE, settings=settings, seed=3)
    assert result.best is None


def test_importing_the_package_does_not_import_scikit_optimize():
    code = "import sys, gbopt.search; assert not {'skopt', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
