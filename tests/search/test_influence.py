from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gbopt.errors import AnalysisError
from gbopt.search import Dimension, Observation, Params, SearchSpace
from gbopt.search.influence import LEAST_POINTS, Influence, influence
from gbopt.search.posterior import fit_posterior

from .landscape import CATALOGUE, SPACE

NAMES = ["width_layers", "misorientation_deg", "mean_plane"]


def additive(params: Params) -> float:
    """Width counts most, the angle less, the plane not at all."""
    width, angle = float(params["width_layers"]), float(params["misorientation_deg"])
    return 0.25 * width + 0.2 * math.sin(angle / 4)


def noise(params: Params) -> float:
    return 0.0


def history(n: int, law=additive, *, error: float = 0.05, spread: float = 0.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    points = [CATALOGUE[i] for i in rng.permutation(len(CATALOGUE))[:n]]
    return [
        Observation(i, p, "complete", law(p) + math.hypot(error, spread) * rng.normal(), error, i)
        for i, p in enumerate(points)
    ]


@pytest.fixture(scope="module")
def learnt() -> Influence:
    return influence(SPACE, history(40))


def test_importance_ranks_the_variables(learnt):
    assert [i.name for i in learnt.importance] == NAMES
    width, angle, plane = learnt.importance
    assert width.share > angle.share > 3 * angle.std_err
    assert angle.share > 0.2
    assert abs(plane.share) < 0.05
    assert learnt.skill > 0.8


def test_shares_of_an_additive_law_are_twice_those_of_the_variance(learnt):
    """Scrambling a term of variance v adds 2 v to the error (Fisher et al. 2019, theorem 2)."""
    widths = 0.25 * np.array([float(p["width_layers"]) for p in CATALOGUE])
    total = np.var([additive(p) for p in CATALOGUE])
    assert learnt.importance[0].share == pytest.approx(2 * widths.var() / total, rel=0.25)


def test_partial_dependence_has_the_shape_of_the_law(learnt):
    width, angle, plane = learnt.partial
    assert width.values == (2, 3, 4, 5)
    assert np.diff(width.mean) == pytest.approx([0.25] * 3, abs=0.06)
    truth = 0.2 * np.sin(np.array(angle.values, dtype=float) / 4)
    off = (angle.mean - angle.mean.mean()) - (truth - truth.mean())
    assert np.abs(off).max() < 0.1
    assert np.mean(np.abs(off) < 2 * angle.std_dev) > 0.7
    assert plane.values == ("100", "110")
    assert plane.mean[0] == pytest.approx(plane.mean[1], abs=0.06)


def test_partial_dependence_is_the_mean_of_the_posterior():
    known = history(12)
    found = influence(SPACE, known).partial[0]
    posterior = fit_posterior(SPACE, known)
    at = [{**o.params, "width_layers": found.values[0]} for o in known]
    mean, sd = posterior.predict(at)
    assert found.mean[0] == pytest.approx(mean.mean())
    assert 0 < found.std_dev[0] < sd.mean()


def test_noise_is_not_taken_for_knowledge():
    """Error bars deny the scatter, so the model fits it; unseen points say that it is nothing."""
    skills = [
        influence(SPACE, history(14, noise, error=0.02, spread=0.3, seed=s)).skill for s in range(6)
    ]
    assert np.median(skills) < 0.1


def test_replicates_are_left_out_together():
    """Of mere noise a copy in the fit would predict the other copy."""
    known = history(10, noise, error=0.02, spread=0.3)
    again = [replace(o, number=10 + i, completion=10 + i) for i, o in enumerate(known)]
    assert influence(SPACE, [*known, *again]).skill < 0.3


def test_a_variable_that_differs_between_replicates_does_not_part_them():
    known = history(10, noise, error=0.02, spread=0.3)
    again = [
        replace(o, number=19 - i, params={**o.params, "ratio": 0.01 * i + 0.001})
        for i, o in enumerate(known)
    ]
    known = [replace(o, params={**o.params, "ratio": 0.01 * i}) for i, o in enumerate(known)]
    wider = SearchSpace((*SPACE.dimensions, Dimension("ratio", "real", 0.0, 0.2)))
    together, apart = (
        influence(wider, [*known, *again], points=points).skill for points in (SPACE, None)
    )
    assert together < 0.3 < apart


def test_failed_running_and_bounded_evaluations():
    known = history(12)
    others = [
        Observation(12, CATALOGUE[0], "failed", completion=12),
        Observation(13, CATALOGUE[1], "running"),
    ]
    assert influence(SPACE, [*known, *others]).skill == influence(SPACE, known).skill
    bound = Observation(14, CATALOGUE[5], "complete", 1.5, 0.05, 14, bound="lower")
    assert influence(SPACE, [*known, bound]).skill > 0


def test_too_few_points():
    with pytest.raises(AnalysisError, match=f"from {LEAST_POINTS - 1} different") as refused:
        influence(SPACE, history(LEAST_POINTS - 1))
    assert refused.value.hint
    with pytest.raises(AnalysisError, match="from 0 different"):
        influence(SPACE, [])
