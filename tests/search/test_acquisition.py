from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm
from skopt.acquisition import gaussian_ei

from gbopt.errors import ConfigError
from gbopt.search import Dimension, Observation, SearchSpace
from gbopt.search.acquisition import _NODES, _WEIGHTS, Gain
from gbopt.search.posterior import fit_posterior

SMOOTH = np.cos(6 * np.linspace(0, 1, 9)).tolist()
LINE = SearchSpace((Dimension("x", "real", 0, 1),))


def told(values, error=0.0):
    x = np.linspace(0, 1, len(values))
    return [
        Observation(i, {"x": float(x[i])}, "complete", v, error, i) for i, v in enumerate(values)
    ]


def gain_of(history, noise=None):
    posterior = fit_posterior(LINE, history)
    if noise is not None:  # of the next value; else the errors and what they leave unexplained
        posterior = replace(posterior, noise=noise)
    points = list({o.params["x"]: o.params for o in history}.values())
    return Gain(posterior, points), posterior, points


def test_the_weights_integrate_lines_and_nearly_parabolas():
    assert _WEIGHTS.sum() == pytest.approx(1, abs=1e-8)
    assert abs(_WEIGHTS @ _NODES) < 1e-8
    assert _WEIGHTS @ np.maximum(_NODES - 1, 0) == pytest.approx(norm.pdf(1) - norm.sf(1), rel=1e-6)


def test_without_noise_the_knowledge_gradient_is_the_expected_improvement():
    gain, posterior, points = gain_of(told(SMOOTH, error=1e-4), noise=0.0)
    asked = [{"x": x} for x in (0.07, 0.27, 0.36, 0.71)]
    mean = posterior.model.predict(posterior.coordinates(points))
    improvement = gaussian_ei(posterior.coordinates(asked), posterior.model, float(mean.min()))
    assert gain.of("knowledge-gradient", asked) == pytest.approx(improvement, rel=0.05, abs=1e-3)


@pytest.mark.parametrize(("error", "repeats"), [(0.1, {1}), (3.0, {2, 4, 8, 16})])
def test_the_knowledge_gradient_by_drawing_the_next_values(error, repeats):
    """By brute force: draw the mean of some values, update the model, look at the best.

    Of strongly scattering values one alone is too weak to change the choice: then the worth of
    several counts, over their number.
    """
    history = told([1.0, 0.2, 0.3, 0.9, 0.35, 1.2], error=0.1)
    gain, posterior, points = gain_of(history, noise=error)
    model = posterior.model
    known = posterior.coordinates(points)
    for x in (0.2, 0.5):  # a replicate of the leader, and a new point
        at = posterior.coordinates([{"x": x}])
        both = np.vstack([known, at])
        _, sd = model.predict(at, return_std=True)
        z = np.random.default_rng(0).normal(size=40_000)
        worth = {}
        for n in (1, 2, 4, 8, 16):
            slope = model.covariance(both, at)[:, 0] / math.hypot(sd[0], error / math.sqrt(n))
            after = (model.predict(both)[:, None] + slope[:, None] * z).min(axis=0)
            worth[n] = float(model.predict(known).min() - after.mean()) / n
        assert max(worth, key=worth.__getitem__) in repeats
        found = float(gain.of("knowledge-gradient", [{"x": x}])[0])
        assert found == pytest.approx(max(worth.values()), rel=0.1, abs=2e-4)


def test_a_replicate_is_worth_something_where_values_are_noisy_and_nothing_where_not():
    two_minima = np.cos(4 * np.pi * np.linspace(0, 1, 13)).tolist()
    again = [{"x": 0.25}]  # one of the two
    noisy, _, _ = gain_of(told(two_minima, error=0.3))
    sure, _, _ = gain_of(told(two_minima, error=1e-4), noise=0.0)
    assert noisy.of("knowledge-gradient", again)[0] > 1e-3
    assert sure.of("knowledge-gradient", again)[0] < 1e-3
    assert noisy.of("noisy-ei", again)[0] < 1e-3


def test_noisy_expected_improvement_of_sure_values_is_the_expected_improvement():
    gain, posterior, points = gain_of(told(SMOOTH, error=1e-4))
    asked = [{"x": x} for x in (0.07, 0.27, 0.33, 0.71)]
    mean = posterior.model.predict(posterior.coordinates(points))
    improvement = gaussian_ei(posterior.coordinates(asked), posterior.model, float(mean.min()))
    assert gain.of("noisy-ei", asked) == pytest.approx(improvement, rel=0.1, abs=1e-3)


def test_the_lower_bound_ranks_as_it_should():
    gain, posterior, _ = gain_of(told([1.0, 0.2, 0.5, 0.9], error=0.1))
    asked = [{"x": x} for x in np.linspace(0, 1, 30)]
    mean, sd = posterior.predict(asked)
    assert np.argmax(gain.of("lcb", asked)) == np.argmin(mean - 1.96 * sd)


def test_an_unknown_acquisition_is_refused():
    gain, _, _ = gain_of(told([1.0, 0.2, 0.5]))
    with pytest.raises(ConfigError, match="'ei' is unknown"):
        gain.of("ei", [{"x": 0.5}])
